"""Out-of-fold predictions: of rows that are later than the rows their model was fitted on.

Folds are ordered in time and numbered in ascending order. What is fitted on the predictions of all folds but the last
can therefore be judged on the last fold, which is closest to the days to come.

Candidates are always compared by the mean of the metric over the folds. Each fold has its own model, so a score is
comparable only with other scores of the same fold; one metric over all rows would rank rows of one model against rows
of another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from include.core.errors import TrainingImpossible

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from include.evaluation.metrics import Metric
    from include.evaluation.paired_bootstrap import PairedDifference

#: Ends the sentence about a difference that is too small.
NOT_ENOUGH = "and it must be better by more than noise"


def mean_over_folds(measure: Metric, labels: Sequence[np.ndarray], predicted: Sequence[np.ndarray]) -> float:
    """Return the mean of the metric over the folds, signed so that higher is better; NaN if it is undefined on one.

    Parameters
    ----------
    labels, predicted
        Labels and predictions of each fold, as `Metric.value` takes them.
    """
    values = [measure.value(*each) for each in zip(labels, predicted, strict=True)]
    return measure.sign * math.fsum(values) / len(values)


def mean_score(measure: Metric, y: np.ndarray, fold: np.ndarray, predicted: np.ndarray) -> float:
    """Return `mean_over_folds` of rows whose fold is given by its number."""
    return mean_over_folds(measure, *by_fold(fold, y, predicted))


def by_fold(fold: np.ndarray, y: np.ndarray, predicted: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return labels and predictions, split by fold."""
    import numpy as np

    rows = [fold == number for number in np.unique(fold)]
    return [y[each] for each in rows], [predicted[each] for each in rows]


def refuse_unpredicted(predictions: np.ndarray, whose: str) -> None:
    """Refuse out-of-fold predictions that are not finite.

    Raises
    ------
    TrainingImpossible
        If the prediction of some row is NaN or infinite.
    """
    import numpy as np

    unknown = ~np.isfinite(predictions).reshape(len(predictions), -1).all(axis=1)
    if unknown.any():
        raise TrainingImpossible(
            f"the out-of-fold predictions of {whose} are not finite in {unknown.sum():,} of {len(unknown):,} rows, and "
            "each row of a fold needs a number; see the log of the tuning, or leave the candidate out of "
            "training.candidates"
        )


def why_not_judged(fold: np.ndarray, days: np.ndarray) -> str | None:
    """Return why the last fold cannot judge what was fitted on the other folds; None if it can."""
    import numpy as np

    last = fold == fold.max()
    if last.all():
        return "there is only one fold, and judging needs a second"
    if len(np.unique(days[last])) < 2:
        return "the last fold has only one day, and noise cannot be estimated from one day"
    return None


def format_difference(difference: PairedDifference) -> str:
    """Return a sentence part about a difference on the last fold, with its interval."""
    if math.isnan(difference.value) or math.isnan(difference.low):
        return "with an undefined difference on the last fold"
    size, interval = abs(difference.value), f"interval {difference.low:.3g} to {difference.high:.3g}"
    return f"{'better' if difference.value >= 0 else 'worse'} by {size:.3g} on the last fold ({interval})"
