"""Out-of-fold predictions: of rows that lay after those that their model was fitted on.

The folds are ordered in time and their numbers ascend, so what is learned from the predictions of all folds but the
last can be judged on the last, which is the nearest that there is to the days to come.

One measure compares candidates, wherever that is done: the metric of each fold, and the mean over the folds. Each fold
has a model of its own, so a score is comparable with other scores of its fold only; the metric of all rows at once
would rank rows of one model against rows of another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from include.core.errors import TrainingImpossible

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from include.evaluation.metrics import Metric
    from include.evaluation.noise import Difference

#: Ends the sentence on a difference that changes nothing.
NOT_ENOUGH = "and it must be better by more than noise"


def mean_over_folds(measure: Metric, labels: Sequence[np.ndarray], predicted: Sequence[np.ndarray]) -> float:
    """Return the mean of the metric over folds, of which more is better; NaN where one is not defined.

    Parameters
    ----------
    labels, predicted
        Of each fold, as `Metric.value` takes them.
    """
    values = [measure.value(*each) for each in zip(labels, predicted, strict=True)]
    return measure.sign * math.fsum(values) / len(values)


def mean_score(measure: Metric, y: np.ndarray, fold: np.ndarray, predicted: np.ndarray) -> float:
    """Return the same of rows whose fold is told by its number."""
    return mean_over_folds(measure, *by_fold(fold, y, predicted))


def by_fold(fold: np.ndarray, y: np.ndarray, predicted: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return labels and predictions of each fold."""
    import numpy as np

    rows = [fold == number for number in np.unique(fold)]
    return [y[each] for each in rows], [predicted[each] for each in rows]


def refuse_unpredicted(predictions: np.ndarray, whose: str) -> None:
    """Refuse out-of-fold predictions that are not all numbers.

    Raises
    ------
    TrainingImpossible
        If some row has none.
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
    """Return why the last fold cannot judge what was learned on the others, or None where it can."""
    import numpy as np

    last = fold == fold.max()
    if last.all():
        return "there is a single fold, which leaves no other to judge on"
    if len(np.unique(days[last])) < 2:
        return "the last fold has a single day, on which noise cannot be judged"
    return None


def format_difference(difference: Difference) -> str:
    """Return a difference on the last fold in words, with its interval."""
    if math.isnan(difference.value) or math.isnan(difference.low):
        return "of no defined difference on the last fold"
    size, interval = abs(difference.value), f"interval {difference.low:.3g} to {difference.high:.3g}"
    return f"{'better' if difference.value >= 0 else 'worse'} by {size:.3g} on the last fold ({interval})"
