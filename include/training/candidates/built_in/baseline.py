"""The baseline: a constant prediction without any feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.training.candidates.candidate import Candidate, Params, loss_of
from include.training.candidates.family import Family

if TYPE_CHECKING:
    from include.config.training import Training
    from include.training.columns import FeatureColumns


def baseline(training: Training) -> Candidate:
    """Return the family that uses no feature, which every other family must beat."""
    return Candidate(
        family="baseline", encoding="none", defaults={}, suggest=lambda trial: {}, estimator=_make_estimator
    )


def _make_estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    loss = loss_of(training)
    if loss == "log":
        return DummyClassifier(strategy="prior")
    if loss == "squared":
        return DummyRegressor(strategy="mean")
    return DummyRegressor(strategy="quantile", quantile=training.quantile if loss == "quantile" else 0.5)


FAMILY = Family(name="baseline", first_trial=0, make=baseline)
