"""What each feature adds to a prediction: Shapley values, exact where the model allows, and drawn elsewhere.

A prediction is a base, which is what a model says of rows in general, and what the values of this row add to it
(Lundberg and Lee, A unified approach to interpreting model predictions, NIPS 2017). Features that say the same share
what they add, and a contribution is of the model: it is no cause of what happens.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.training import Training

log = logging.getLogger(__name__)

Unit = Literal["log-odds", "probability", "value"]
#: Rows that a summary is of, at most.
SUMMARY_ROWS = 500
#: Features of a summary that have points, and the points of each.
DRAWN_FEATURES, DRAWN_POINTS = 10, 60
#: How far base and contributions may be from the prediction, relative to the spread of it: XGBoost sums in single
#: precision.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Contributions:
    """What the features add to the predictions of some rows.

    Attributes
    ----------
    base
        What is predicted before anything is known of the row, in the unit, of shape (n_rows,).
    values
        What each feature adds, in the unit, by the feature, each of shape (n_rows,).
    prediction
        Probabilities, or values, of shape (n_rows,): of 1 of a binary task, of the most likely class of several.
    unit
        log-odds: base and contributions add up to the logarithm of p / (1 - p).
    method
        How they were found: `TreeSHAP`, `exact, of a linear model` or `sampled Shapley values`.
    before_calibration
        Whether the prediction is the one that the calibrator is given, rather than what it makes of it.
    """

    base: np.ndarray
    values: dict[str, np.ndarray]
    prediction: np.ndarray
    unit: Unit
    method: str
    before_calibration: bool = False

    @property
    def total(self) -> np.ndarray:
        """Base and contributions together, in the unit, of shape (n_rows,)."""
        return self.base + sum(self.values.values())

    @property
    def explained(self) -> np.ndarray:
        """The prediction that base and contributions add up to, of shape (n_rows,)."""
        from scipy.special import expit

        return expit(self.total) if self.unit == "log-odds" else self.total

    @property
    def agrees(self) -> bool:
        """Whether they add up to the prediction, but for rounding."""
        import numpy as np

        scale = 1.0 if self.unit != "value" else max(float(np.abs(self.prediction).max(initial=0.0)), 1e-12)
        return bool((np.abs(self.explained - self.prediction) <= TOLERANCE * scale).all())


def contributions(
    model: Model,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    training: Training,
    classes: Sequence[Any] | None = None,
    seed: int = 0,
) -> Contributions:
    """Return what each feature adds to the predictions of some rows.

    Of boosted trees these are the tree's own (TreeSHAP: Lundberg, Erion and Lee, Consistent individualized feature
    attribution for tree ensembles, 2018), of a linear model the coefficient times how far the value is from that of
    the background. Probabilities that several models vote on, several classes, and all other models are asked for
    with values of the row and of the background mixed, see `include.training.sampled_contributions`.

    Parameters
    ----------
    model
        Any pipeline that was fitted on a feature frame.
    rows, background
        Raw feature rows; the background is what a row is compared with: a few hundred of those learned from.
    classes
        As `predict` takes them.

    Raises
    ------
    EvaluationFailed
        If the frame lacks a column that the model was fitted on.
    """
    from include.training.exact_contributions import exact_contributions
    from include.training.sampled_contributions import sampled_contributions

    found = exact_contributions(model, rows, background, training)
    if found is not None and found.agrees:
        return found
    if found is not None:
        log.info("the model's own contributions (%s) do not add up to its predictions; they are sampled", found.method)
    return sampled_contributions(model, rows, background, training, classes, seed)


def summary(found: Contributions, rows: pd.DataFrame) -> dict[str, Any]:
    """Return what the features add on average over some rows, as JSON types, the weightiest first.

    Of each: the mean of the absolute contribution; the direction, which is the rank correlation of the feature's
    values with what they add, of numbers; and of the first few some points, each a contribution and the rank of the
    value among the rows, from 0 to 1, null where the value is missing or text.
    """
    import numpy as np

    means = {name: float(np.abs(each).mean()) for name, each in found.values.items()}
    order = sorted(means, key=lambda name: (-means[name], name))
    drawn = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), DRAWN_POINTS)).astype("int64"))
    features = []
    for place, name in enumerate(order):
        ranks = _ranks(rows[name])
        points = []
        if place < DRAWN_FEATURES:
            points = [
                [round(float(found.values[name][at]), 6), round(float(ranks[at]), 3) if ranks[at] >= 0 else None]
                for at in drawn
            ]
        direction = _correlation(ranks, found.values[name])
        features.append({"feature": name, "mean": means[name], "direction": direction, "points": points})
    return {
        "unit": found.unit,
        "method": found.method,
        "before_calibration": found.before_calibration,
        "rows": len(rows),
        "base": float(np.mean(found.base)),
        "features": features,
    }


def _ranks(values: pd.Series) -> np.ndarray:
    """Return the rank of each number among those of the column, from 0 to 1; -1 where there is none, or of text."""
    import numpy as np
    from pandas.api.types import is_numeric_dtype
    from scipy.stats import rankdata

    ranks = np.full(len(values), -1.0)
    if is_numeric_dtype(values.dtype):
        numbers = values.to_numpy("float64", na_value=math.nan)
        known = np.isfinite(numbers)
        if known.sum() > 1:
            ranks[known] = (rankdata(numbers[known]) - 1) / (known.sum() - 1)
    return ranks


def _correlation(ranks: np.ndarray, added: np.ndarray) -> float | None:
    import numpy as np
    from scipy.stats import rankdata

    known = ranks >= 0
    if known.sum() < 3 or np.ptp(ranks[known]) == 0 or np.ptp(added[known]) == 0:
        return None
    return float(np.corrcoef(ranks[known], rankdata(added[known]))[0, 1])
