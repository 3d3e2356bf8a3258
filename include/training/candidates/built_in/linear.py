"""Linear models: logistic, ridge or quantile regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.training.candidates.candidate import Candidate, Params, loss_of
from include.training.candidates.family import Family

if TYPE_CHECKING:
    from include.config.training import Training
    from include.training.columns import FeatureColumns

#: The linear program of a quantile regression grows faster than its rows: 5,000 take about a second.
MAX_QUANTILE_ROWS = 5_000


def linear(training: Training) -> Candidate:
    """Return logistic, ridge or quantile regression, depending on the metric."""
    quantile = loss_of(training) in ("absolute", "quantile")
    return Candidate(
        family="linear",
        encoding="scaled",
        defaults={"strength": 1.0},
        suggest=lambda trial: {"strength": trial.suggest_float("strength", 1e-3, 1e4, log=True)},
        estimator=_make_estimator,
        max_rows=MAX_QUANTILE_ROWS if quantile else None,
    )


def _make_estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import LogisticRegression, QuantileRegressor, Ridge
    from sklearn.preprocessing import StandardScaler

    strength, loss = params["strength"], loss_of(training)
    if loss == "log":
        return LogisticRegression(C=1 / strength, max_iter=200, tol=1e-3)
    if loss == "squared":
        return Ridge(alpha=strength, random_state=training.seed)
    quantile = training.quantile if loss == "quantile" else 0.5
    # the penalty of a quantile regression is relative to the label's scale, that of a ridge grows with the rows
    regressor = QuantileRegressor(quantile=quantile, alpha=strength / MAX_QUANTILE_ROWS, solver="highs")
    return TransformedTargetRegressor(regressor=regressor, transformer=StandardScaler())


FAMILY = Family(name="linear", first_trial=1, make=linear)
