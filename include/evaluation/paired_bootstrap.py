"""The paired bootstrap: how much of a difference between two models is noise.

Rows of one day share its weather and its queues. So whole days are resampled with replacement, and both models are
measured on the same resample (a paired block bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapters 8 and 13).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.evaluation.intervals import percentile_interval
from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields
from include.evaluation.resamples import day_resamples

if TYPE_CHECKING:
    import numpy as np

    from include.evaluation.metrics import Metric


@dataclass(frozen=True)
class PairedDifference:
    """By how much one model is better than another, with its interval.

    Attributes
    ----------
    value
        The difference on the rows themselves; above 0 where the first model is better.
    low, high
        Ends of the percentile interval; NaN where it is not defined.
    blocks
        Number of days that were resampled.
    """

    value: Number
    low: Number
    high: Number
    confidence: float
    rounds: int
    blocks: int


def paired_difference(
    metric: Metric,
    y_true: np.ndarray,
    days: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    rounds: int,
    confidence: float,
    seed: int,
    second_threshold: float | None = None,
    fold: np.ndarray | None = None,
) -> PairedDifference:
    """Return by how much `first` is better than `second`, with its bootstrap interval.

    For out-of-fold predictions, the mean of the metric over the folds is compared, and days are resampled within each
    fold: every fold has its own model, whose scores need not be on the scale of another fold's.

    Parameters
    ----------
    y_true, first, second
        Labels and the two models' predictions of the same rows, as `Metric.value` takes them.
    days
        The day of each row, of shape (n_rows,).
    second_threshold
        Probability from which the second model counts a row as positive; by default the threshold of `metric`.
    fold
        The fold of each row, of shape (n_rows,); by default all rows are one fold.
    """
    import numpy as np

    other = metric if second_threshold is None else replace(metric, threshold=second_threshold)
    parts = [slice(None)] if fold is None else [fold == number for number in np.unique(fold)]
    values = [metric.value(y_true[part], first[part]) - other.value(y_true[part], second[part]) for part in parts]
    value, blocks = metric.sign * math.fsum(values) / len(values), [len(np.unique(days[part])) for part in parts]
    if not math.isfinite(value):
        return PairedDifference(math.nan, math.nan, math.nan, confidence, rounds, sum(blocks))
    generator = np.random.default_rng(seed)
    differences = np.zeros(rounds)
    for part, n_days in zip(parts, blocks, strict=True):
        _, day = np.unique(days[part], return_inverse=True)
        first_metric = metric.on_resamples(y_true[part], first[part], day)
        second_metric = other.on_resamples(y_true[part], second[part], day)
        resamples = day_resamples(n_days, rounds, generator)
        differences += metric.sign * (first_metric(resamples) - second_metric(resamples)) / len(parts)
    low, high = percentile_interval(differences, confidence)
    return PairedDifference(value, low, high, confidence, rounds, sum(blocks))
