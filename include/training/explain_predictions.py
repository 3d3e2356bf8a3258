"""Explains predictions by Shapley values: exact where the model's family has them, sampled for every other model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.training.exact_contributions import exact_contributions
from include.training.sampled_contributions import sampled_contributions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.training import Training
    from include.training.contributions import Contributions

log = logging.getLogger(__name__)


def explain_predictions(
    model: Model,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    training: Training,
    classes: Sequence[Any] | None = None,
    seed: int = 0,
) -> Contributions:
    """Return the contribution of each feature to the predictions of some rows.

    Boosted trees are explained by TreeSHAP (Lundberg, Erion and Lee, Consistent individualized feature attribution for
    tree ensembles, 2018). A linear model's contribution is the coefficient times the distance of the value from the
    background's mean. Every other model is sampled, see `include.training.sampled_contributions`: multiclass models,
    averaged probabilities, and families without a method of their own.

    Parameters
    ----------
    model
        Any pipeline that was fitted on a feature frame.
    rows, background
        Raw feature rows. The background is the baseline for comparison: a few hundred training rows.
    classes
        As `predict` takes them.

    Raises
    ------
    EvaluationFailed
        If the frame lacks a column that the model was fitted on.
    """
    exact = exact_contributions(model, rows, background, training)
    if exact is not None and exact.agrees:
        return exact
    if exact is not None:
        log.info("the contributions by %s do not add up to the predictions, so they are sampled instead", exact.method)
    return sampled_contributions(model, rows, background, training, classes, seed)
