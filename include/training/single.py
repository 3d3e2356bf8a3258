"""Chooses a single family for the challenger: the best one, or a simpler one that is about as good."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from include.evaluation.paired_bootstrap import paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from include.evaluation.metrics import Metric


def choose_single(
    predictions: Mapping[str, np.ndarray],
    best: str,
    y: np.ndarray,
    fold: np.ndarray,
    days: np.ndarray,
    measure: Metric,
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> tuple[str, str | None]:
    """Return the simplest family within one standard error of the best, and the reason if it is not the best.

    The more trials a family with many parameters has, the more likely it fits the validation rows by luck. The rule is
    that of Breiman, Friedman, Olshen and Stone (Classification and Regression Trees, 1984, section 3.4.3). Families are
    compared by the mean of the metric over the folds, as in the search. The standard error is that of the paired
    difference when days are resampled within each fold; it does not exist if a fold has only one day.

    Parameters
    ----------
    predictions
        Out-of-fold predictions by family, simple families first.
    best
        The family with the best score.
    y, fold, days
        Label, fold number and day of each row, of shape (n_rows,).
    """
    import numpy as np

    numbers = np.unique(fold)
    if any(len(np.unique(days[fold == number])) < 2 for number in numbers):
        return best, None
    for family, predicted in predictions.items():
        if family == best:
            break
        found = paired_difference(
            measure,
            y,
            days,
            predictions[best],
            predicted,
            rounds=rounds,
            confidence=confidence,
            seed=seed,
            fold=fold,
        )
        error = (found.high - found.low) / (2 * NormalDist().inv_cdf((1 + confidence) / 2))
        if math.isfinite(found.value) and math.isfinite(error) and found.value <= error:
            return family, (
                f"{family} rather than {best}: the mean {measure.name} of {best} over the {len(numbers)} folds is "
                f"better by {found.value:.3g}, within one standard error ({error:.3g}), and {family} is simpler"
            )
    return best, None
