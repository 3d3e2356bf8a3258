"""The metric of many draws of days at once.

A metric of a draw is computed from sums that each day contributes, once for all draws, so a thousand draws
cost little more than one. What compares rows with each other is summed over pairs of days instead, or weighs
each row by how often its day was drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from include.evaluation.metrics import CALIBRATION_BINS, bin_of_probability

if TYPE_CHECKING:
    import numpy as np

    from include.evaluation.metrics import Metric

#: Takes how often each day was drawn, of shape (rounds, n_days), and returns the metric of each draw.
MetricOnResamples = Callable[["np.ndarray"], "np.ndarray"]

#: Draws whose row weights are held in memory at once, for a metric that has no sums by day.
CHUNK_ROUNDS = 64


def metric_on_resamples(measure: Metric, y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Return the function from draws of days to the metric of each draw; NaN where it is not defined.

    Parameters
    ----------
    y_true, y_pred
        Labels and predictions for which the measure is defined, as `Metric.value` takes them.
    day
        Number of each row's day, 0 to n_days - 1, each of at least one row, of shape (n_rows,).
    """
    import numpy as np

    y_pred = np.asarray(y_pred, dtype="float64")
    if measure.task == "binary":
        return _of_binary(measure, y_true, y_pred, day)
    return (_of_classes if measure.task == "multiclass" else _of_numbers)(measure, y_true, y_pred, day)


def _of_binary(measure: Metric, y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    import numpy as np

    compute: dict[str, Callable[[], MetricOnResamples]] = {
        "roc_auc": lambda: _roc_auc(y_true == 1, y_pred, day),
        "average_precision": lambda: _average_precision(y_true, y_pred, day),
        "log_loss": lambda: _mean(-_log_of_probability(np.where(y_true == 1, y_pred, 1 - y_pred)), day),
        "brier": lambda: _mean((y_pred - y_true) ** 2, day),
        "calibration_error": lambda: _calibration_error(y_true, y_pred, day),
        "f1": lambda: _f1(y_true == 1, y_pred >= measure.threshold, day),
    }
    return compute[measure.metric]()


def _of_classes(measure: Metric, y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    import numpy as np

    rows, codes, predicted = np.arange(len(y_true)), y_true.astype("int64"), y_pred.argmax(axis=1)
    compute: dict[str, Callable[[], MetricOnResamples]] = {
        "log_loss": lambda: _mean(-_log_of_probability(y_pred[rows, codes] / y_pred.sum(axis=1)), day),
        "accuracy": lambda: _mean(codes == predicted, day),
        "balanced_accuracy": lambda: _mean_over_classes(codes, predicted, y_pred.shape[1], day, of_f1=False),
        "f1_macro": lambda: _mean_over_classes(codes, predicted, y_pred.shape[1], day, of_f1=True),
        "roc_auc_ovr": lambda: _roc_auc_ovr(codes, y_pred, day),
    }
    return compute[measure.metric]()


def _of_numbers(measure: Metric, y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    import numpy as np

    error, quantile = y_true - y_pred, measure.quantile
    compute: dict[str, Callable[[], MetricOnResamples]] = {
        "mae": lambda: _mean(np.abs(error), day),
        "rmse": lambda: _root(_mean(error**2, day)),
        "mape": lambda: _mean(np.abs(error) / np.abs(y_true), day),
        "wape": lambda: _ratio(_by_day(np.abs(error), day), _by_day(np.abs(y_true), day)),
        "r2": lambda: _r2(y_true, error, day),
        "pinball": lambda: _mean(np.maximum(quantile * error, (quantile - 1) * error), day),
    }
    return compute[measure.metric]()


def _by_day(values: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Return the sum of each day's values, of shape (n_days,)."""
    import numpy as np

    return np.bincount(day, weights=values)


def _by_day_and(
    kind: np.ndarray, n_kinds: int, day: np.ndarray, weights: np.ndarray | None = None, n_days: int | None = None
) -> np.ndarray:
    """Return the sum of weights, or the count of rows, of each day and kind, of shape (n_days, n_kinds)."""
    import numpy as np

    n_days = int(day.max()) + 1 if n_days is None else n_days
    sums = np.bincount(day * n_kinds + kind, weights=weights, minlength=n_days * n_kinds)
    return sums.reshape(n_days, n_kinds).astype("float64")


def _ratio(above: np.ndarray, below: np.ndarray) -> MetricOnResamples:
    import numpy as np

    def values(draws: np.ndarray) -> np.ndarray:
        total = draws @ below
        return (draws @ above) / np.where(total > 0, total, np.nan)

    return values


def _mean(values: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    import numpy as np

    return _ratio(_by_day(values, day), np.bincount(day))


def _root(of_squares: MetricOnResamples) -> MetricOnResamples:
    import numpy as np

    return lambda draws: np.sqrt(of_squares(draws))


def _log_of_probability(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithm, of probabilities that are clipped by their precision as scikit-learn does it."""
    import numpy as np

    eps = np.finfo("float64").eps
    return np.log(np.clip(probabilities, eps, 1 - eps))


def _calibration_error(y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Return the error of each draw, which chance makes larger than the holdout's own.

    It does so the more, the better calibrated a model is, and so brings two models nearer to each other than
    they are: a comparison errs towards a tie.
    """
    import numpy as np

    apart = _by_day_and(bin_of_probability(y_pred), CALIBRATION_BINS, day, weights=y_true - y_pred)
    rows = np.bincount(day)
    return lambda draws: np.abs(draws @ apart).sum(axis=1) / (draws @ rows)


def _f1(positive: np.ndarray, predicted: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Return twice the hits over all that are positive or predicted so, where anything is positive."""
    import numpy as np

    hits, positives = _by_day(positive & predicted, day), _by_day(positive, day)
    either = positives + _by_day(predicted, day)

    def values(draws: np.ndarray) -> np.ndarray:
        return 2 * (draws @ hits) / np.where(draws @ positives > 0, draws @ either, np.nan)

    return values


def _mean_over_classes(
    codes: np.ndarray, predicted: np.ndarray, n_classes: int, day: np.ndarray, *, of_f1: bool
) -> MetricOnResamples:
    """Return the mean of recall or of F1 over the classes that a draw has labels of."""
    import numpy as np

    hits = _by_day_and(codes, n_classes, day, weights=codes == predicted)
    labels, guesses = _by_day_and(codes, n_classes, day), _by_day_and(predicted, n_classes, day)

    def values(draws: np.ndarray) -> np.ndarray:
        present = draws @ labels
        below = (present + draws @ guesses) / 2 if of_f1 else present
        return np.nanmean((draws @ hits) / np.where(present > 0, below, np.nan), axis=1)

    return values


def _r2(y_true: np.ndarray, error: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    import numpy as np

    rows, residual = np.bincount(day), _by_day(error**2, day)
    centred = y_true - y_true.mean()  # R² does not change, and the squares stay small
    sums, squares = _by_day(centred, day), _by_day(centred**2, day)

    def values(draws: np.ndarray) -> np.ndarray:
        total = draws @ squares - (draws @ sums) ** 2 / (draws @ rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            # a total that is 0 but for rounding belongs to equal labels
            return 1 - (draws @ residual) / np.where(total > 1e-12 * (draws @ squares), total, np.nan)

    return values


def _roc_auc(positive: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Count, for each pair of days, the pairs of a positive and a negative row that are in the right order.

    The area under the curve is the share of such pairs (Hanley and McNeil, Radiology 143, 1982), a tie
    counting a half, and in a draw the pairs of two days count as often as both days were drawn.
    """
    import numpy as np

    n_days = int(day.max()) + 1
    positives = np.bincount(day[positive], minlength=n_days).astype("float64")
    negatives = np.bincount(day[~positive], minlength=n_days).astype("float64")
    right = np.zeros((n_days, n_days))
    scores, of_day = y_pred[positive], day[positive]
    for other in range(n_days):
        against = np.sort(y_pred[~positive & (day == other)])
        wins = np.searchsorted(against, scores, "left") + np.searchsorted(against, scores, "right")
        right[:, other] = np.bincount(of_day, weights=wins / 2, minlength=n_days)

    def values(draws: np.ndarray) -> np.ndarray:
        pairs = (draws @ positives) * (draws @ negatives)
        ordered = np.einsum("rd,de,re->r", draws.astype("float64"), right, draws.astype("float64"), optimize=True)
        return ordered / np.where(pairs > 0, pairs, np.nan)

    return values


def _roc_auc_ovr(codes: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    import numpy as np

    each = [_roc_auc(codes == code, y_pred[:, code], day) for code in range(y_pred.shape[1])]
    return lambda draws: np.mean([values(draws) for values in each], axis=0)


def _average_precision(y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Sum, over the ranks that gain a hit, the precision there times the hits gained, from counts by day and rank."""
    import numpy as np

    hit = y_true == 1
    _, rank = np.unique(-y_pred, return_inverse=True)
    gaining = np.flatnonzero(np.bincount(rank, weights=hit) > 0)
    n_ranks = len(gaining)
    # what is ranked between two that gain a hit counts from the second on, and after the last not at all
    place = np.searchsorted(gaining, rank)

    def by_place(rows: np.ndarray) -> np.ndarray:
        return _by_day_and(place[rows], n_ranks, day[rows], n_days=int(day.max()) + 1)

    seen, gained = np.cumsum(by_place(place < n_ranks), axis=1), by_place(hit)
    hits = np.cumsum(gained, axis=1)

    def values(draws: np.ndarray) -> np.ndarray:
        found = []
        for start in range(0, len(draws), CHUNK_ROUNDS):
            drawn = draws[start : start + CHUNK_ROUNDS].astype("float64")
            below, above = drawn @ seen, drawn @ hits
            with np.errstate(divide="ignore", invalid="ignore"):
                precision = np.where(below > 0, above / below, 0.0)
                found.append(np.einsum("rp,rp->r", precision, drawn @ gained) / above[:, -1])
        return np.concatenate(found)

    return values
