"""Chooses the probability from which a row counts as positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.errors import TrainingImpossible
from include.training.out_of_fold import refuse_unpredicted

if TYPE_CHECKING:
    import numpy as np

    from include.config.training import Threshold


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold, and what it gives on the rows that it was chosen on.

    Attributes
    ----------
    value
        A row counts as positive whose probability is at least this.
    cost
        Mean over all rows; None where no costs are configured.
    """

    value: float
    precision: float
    recall: float
    f1: float
    cost: float | None
    reason: str


def choose_threshold(threshold: Threshold, y: np.ndarray, probabilities: np.ndarray) -> ChosenThreshold:
    """Return the threshold that the pipeline's rule chooses on out-of-fold probabilities.

    Every distinct probability is tried, and one above all of them, from which no row is positive. By default F1 is
    the greatest; or the threshold is the lowest with the precision that is asked for, or the one of the least cost
    (with perfect probabilities, the cost of a false positive over the sum of both: Elkan, The foundations of
    cost-sensitive learning, IJCAI 2001). Of thresholds that are equally good the highest is taken, which flags
    the fewest rows; where no precision is high enough, the lowest of the best, which finds the most.

    Parameters
    ----------
    y, probabilities
        Labels 0 or 1, and the probabilities of 1 as the model will give them, of shape (n_rows,).

    Raises
    ------
    TrainingImpossible
        If a probability is missing, or no row is positive.
    """
    import numpy as np

    refuse_unpredicted(probabilities, "the candidates that were chosen")
    rows, positives = len(y), int((y == 1).sum())
    if not positives:
        raise TrainingImpossible(
            f"none of the {rows:,} rows of the folds is positive, so no threshold can be chosen; raise "
            "training.window_days or training.tuning.sample_rows, or lower training.tuning.folds"
        )
    order = np.argsort(-probabilities, kind="stable")
    descending = probabilities[order].astype("float64")
    last_of_tie = np.flatnonzero(np.append(np.diff(descending) != 0, True))
    values = np.append(np.nextafter(descending[0], np.inf), descending[last_of_tie])
    flagged = np.append(0, last_of_tie + 1)
    hits = np.append(0, np.cumsum(y[order] == 1)[last_of_tie])
    precision = hits / np.maximum(flagged, 1)  # of no row flagged it is 0
    f1 = 2 * hits / (flagged + positives)
    cost = None
    if threshold.false_positive_cost is not None and threshold.false_negative_cost is not None:
        false_alarms, misses = flagged - hits, positives - hits
        cost = (threshold.false_positive_cost * false_alarms + threshold.false_negative_cost * misses) / rows
        at = int(np.argmin(cost))
        reason = f"has the least cost, {cost[at]:.4g} a row"
        reason += "" if at else ": that of counting no row as positive"
    elif threshold.precision is not None:
        enough = np.flatnonzero(precision >= threshold.precision)
        at = int(enough[-1] if len(enough) else np.flatnonzero(precision == precision.max())[-1])
        reason = f"is the lowest with a precision of at least {threshold.precision:g}"
        if not len(enough):
            reason = (
                f"has the best precision, {precision[at]:.3g}, since none reaches the {threshold.precision:g} that "
                "is asked for"
            )
    else:
        at = int(np.argmax(f1))
        reason = f"has the greatest F1, {f1[at]:.3g}"
    return ChosenThreshold(
        value=float(values[at]),
        precision=float(precision[at]),
        recall=float(hits[at] / positives),
        f1=float(f1[at]),
        cost=None if cost is None else float(cost[at]),
        reason=f"the threshold {values[at]:.4g} {reason}, on {rows:,} rows predicted out of fold",
    )
