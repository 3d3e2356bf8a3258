"""Chooses the threshold: the probability at or above which a row counts as positive."""

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
    """A threshold, with its precision, recall and F1 on the rows it was chosen on.

    Attributes
    ----------
    value
        A row counts as positive if its probability is at least this.
    cost
        Mean cost per row; None if no costs are configured.
    """

    value: float
    precision: float
    recall: float
    f1: float
    cost: float | None
    reason: str


def choose_threshold(threshold: Threshold, y: np.ndarray, probabilities: np.ndarray) -> ChosenThreshold:
    """Return the threshold by the pipeline's rule, from out-of-fold probabilities.

    Tries every distinct probability, and one above all of them that makes no row positive. By default it maximises F1;
    the pipeline may ask for the lowest threshold with a minimum precision, or for the lowest cost (with perfect
    probabilities that is the cost of a false positive over the sum of both costs: Elkan, The foundations of
    cost-sensitive learning, IJCAI 2001). Of equally good thresholds it takes the highest, which flags the fewest rows.
    If no precision is high enough, it takes the lowest threshold with the best precision, which finds the most rows.

    Parameters
    ----------
    y, probabilities
        Labels 0 or 1, and the calibrated probabilities of 1, of shape (n_rows,).

    Raises
    ------
    TrainingImpossible
        If a probability is not finite, or no row is positive.
    """
    import numpy as np

    refuse_unpredicted(probabilities, "the chosen candidates")
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
    precision = hits / np.maximum(flagged, 1)  # 0 if no row is flagged
    f1 = 2 * hits / (flagged + positives)
    cost = None
    if threshold.false_positive_cost is not None and threshold.false_negative_cost is not None:
        false_alarms, misses = flagged - hits, positives - hits
        cost = (threshold.false_positive_cost * false_alarms + threshold.false_negative_cost * misses) / rows
        at = int(np.argmin(cost))
        reason = f"has the lowest cost, {cost[at]:.4g} per row"
        reason += "" if at else ", by counting no row as positive"
    elif threshold.precision is not None:
        enough = np.flatnonzero(precision >= threshold.precision)
        at = int(enough[-1] if len(enough) else np.flatnonzero(precision == precision.max())[-1])
        reason = f"is the lowest with a precision of at least {threshold.precision:g}"
        if not len(enough):
            reason = (
                f"has the best precision, {precision[at]:.3g}, since none reaches the required {threshold.precision:g}"
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
        reason=f"the threshold {values[at]:.4g} {reason}, on {rows:,} out-of-fold rows",
    )
