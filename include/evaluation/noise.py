"""How much of a difference is noise: a paired bootstrap over the days of the holdout.

Rows of one day share its weather and its queues, so whole days are drawn, with replacement, and both
models are measured on the same draw (a paired block bootstrap: Efron and Tibshirani, An Introduction to
the Bootstrap, 1993, chapters 8 and 13). A metric of a draw is computed from sums that each day
contributes, once for all draws, so a thousand draws cost little more than one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evaluation.metrics import metric_value
from include.training_config import METRICS

if TYPE_CHECKING:
    import numpy as np

#: Takes how often each day was drawn, of shape (rounds, n_days), and returns the metric of each draw.
OfDraws = Callable[["np.ndarray"], "np.ndarray"]

#: Draws whose row weights are held in memory at once, for a metric that has no sums by day.
CHUNK_ROUNDS = 64


@dataclass(frozen=True)
class Difference:
    """By how much one model is better than another, and the interval that noise leaves.

    Attributes
    ----------
    value
        The difference on the holdout as it is, above 0 where the first model is better.
    low, high
        Ends of the percentile interval of the bootstrap; NaN where it is not defined.
    blocks
        Days that were drawn from.
    """

    value: float
    low: float
    high: float
    confidence: float
    rounds: int
    blocks: int


def paired_difference(
    metric: str,
    y_true: np.ndarray,
    days: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> Difference:
    """Return by how much `first` is better than `second`, with its bootstrap interval.

    Parameters
    ----------
    y_true, first, second
        Labels and the two models' predictions of the same rows, each of shape (n_rows,).
    days
        The day of each row, of shape (n_rows,).
    """
    import numpy as np

    sign = 1.0 if {**METRICS["binary"], **METRICS["regression"]}[metric] else -1.0
    value = sign * (metric_value(metric, y_true, first) - metric_value(metric, y_true, second))
    unique, day = np.unique(days, return_inverse=True)
    if not math.isfinite(value):
        return Difference(math.nan, math.nan, math.nan, confidence, rounds, len(unique))
    draws = _draws(len(unique), rounds, seed)
    differences = sign * (of_draws(metric, y_true, first, day)(draws) - of_draws(metric, y_true, second, day)(draws))
    low, high = _interval(differences, confidence)
    return Difference(value, low, high, confidence, rounds, len(unique))


def _draws(n_days: int, rounds: int, seed: int) -> np.ndarray:
    """Return how often each day is drawn, of shape (rounds, n_days); each row sums to `n_days`."""
    import numpy as np

    return np.random.default_rng(seed).multinomial(n_days, np.full(n_days, 1 / n_days), size=rounds)


def _interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of the draws in which the metric is defined, if most are."""
    import numpy as np

    defined = values[np.isfinite(values)]
    if len(defined) < 0.9 * len(values):
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def of_draws(metric: str, y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> OfDraws:
    """Return the function from draws of days to the metric of each draw; NaN where it is not defined.

    Parameters
    ----------
    day
        Number of each row's day, 0 to n_days - 1, of shape (n_rows,).
    """
    import numpy as np

    if metric == "roc_auc":
        return _roc_auc(y_true, y_pred, day)
    if metric == "average_precision":
        return _average_precision(y_true, y_pred, day)
    if metric == "r2":
        return _r2(y_true, y_pred, day)
    error = y_pred - y_true
    # scikit-learn's log_loss clips probabilities by the precision of their type in the same way
    clipped = np.clip(y_pred, np.finfo("float64").eps, 1 - np.finfo("float64").eps)
    losses = {
        "log_loss": lambda: -(y_true * np.log(clipped) + (1 - y_true) * np.log1p(-clipped)),
        "brier": lambda: error**2,
        "mae": lambda: np.abs(error),
        "rmse": lambda: error**2,
    }
    mean = _mean(losses[metric](), day)
    return (lambda draws: np.sqrt(mean(draws))) if metric == "rmse" else mean


def _mean(values: np.ndarray, day: np.ndarray) -> OfDraws:
    import numpy as np

    sums, rows = np.bincount(day, weights=values), np.bincount(day)
    return lambda draws: (draws @ sums) / (draws @ rows)


def _r2(y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> OfDraws:
    import numpy as np

    rows = np.bincount(day)
    residual = np.bincount(day, weights=(y_true - y_pred) ** 2)
    centred = y_true - y_true.mean()  # R² does not change, and the squares stay small
    sums, squares = np.bincount(day, weights=centred), np.bincount(day, weights=centred**2)

    def values(draws: np.ndarray) -> np.ndarray:
        total = draws @ squares - (draws @ sums) ** 2 / (draws @ rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            # a total that is 0 but for rounding belongs to equal labels
            return 1 - (draws @ residual) / np.where(total > 1e-12 * (draws @ squares), total, np.nan)

    return values


def _roc_auc(y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> OfDraws:
    """Count, for each pair of days, the pairs of a late and a punctual row that are in the right order.

    The area under the curve is the share of such pairs (Hanley and McNeil, Radiology 143, 1982), a tie
    counting a half, and in a draw the pairs of two days count as often as both days were drawn.
    """
    import numpy as np

    positive = y_true == 1
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


def _average_precision(y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> OfDraws:
    """Weigh each row by how often its day was drawn; the precision at a rank has no sums by day."""
    import numpy as np

    order = np.argsort(-y_pred, kind="stable")
    hits, of_day, scores = y_true[order] == 1, day[order], y_pred[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(scores) != 0, True))

    def values(draws: np.ndarray) -> np.ndarray:
        found = []
        for start in range(0, len(draws), CHUNK_ROUNDS):
            weights = draws[start : start + CHUNK_ROUNDS][:, of_day].astype("float64")
            seen = np.cumsum(weights, axis=1)[:, last_of_tie]
            hit = np.cumsum(weights * hits, axis=1)[:, last_of_tie]
            with np.errstate(divide="ignore", invalid="ignore"):
                precision = np.where(seen > 0, hit / seen, 0.0)
                gained = np.diff(hit, axis=1, prepend=0.0)
                found.append((precision * gained).sum(axis=1) / hit[:, -1])
        return np.concatenate(found)

    return values
