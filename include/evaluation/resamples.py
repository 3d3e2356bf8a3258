"""The metric of many resamples of days at once.

A bootstrap draws whole days with replacement. The metric of a resample is computed from sums that each day
contributes, once for all resamples, so a thousand resamples cost little more than one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Takes how often each day was drawn, of shape (rounds, n_days), and returns the metric of each resample.
MetricOnResamples = Callable[[np.ndarray], np.ndarray]


def day_resamples(n_days: int, rounds: int, seed: int | np.random.Generator) -> np.ndarray:
    """Return how often each day is drawn, of shape (rounds, n_days); each row sums to `n_days`."""
    return np.random.default_rng(seed).multinomial(n_days, np.full(n_days, 1 / n_days), size=rounds)


def sum_by_day(values: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Return the sum of each day's values, of shape (n_days,)."""
    return np.bincount(day, weights=values)


def sum_by_day_and_kind(
    kind: np.ndarray, n_kinds: int, day: np.ndarray, weights: np.ndarray | None = None, n_days: int | None = None
) -> np.ndarray:
    """Return the sum of weights, or the number of rows, of each day and kind, of shape (n_days, n_kinds)."""
    n_days = int(day.max()) + 1 if n_days is None else n_days
    sums = np.bincount(day * n_kinds + kind, weights=weights, minlength=n_days * n_kinds)
    return sums.reshape(n_days, n_kinds).astype("float64")


def ratio_on_resamples(above: np.ndarray, below: np.ndarray) -> MetricOnResamples:
    """Return the ratio of two sums, given by day, on each resample; NaN where the second is not above 0."""

    def values(resamples: np.ndarray) -> np.ndarray:
        total = resamples @ below
        return (resamples @ above) / np.where(total > 0, total, np.nan)

    return values


def mean_on_resamples(values: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Return the mean of the rows' values on each resample."""
    return ratio_on_resamples(sum_by_day(values, day), np.bincount(day))


def root_on_resamples(of_squares: MetricOnResamples) -> MetricOnResamples:
    """Return the square root of a metric on each resample."""
    return lambda resamples: np.sqrt(of_squares(resamples))


def log_of_probability(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithm of probabilities, which are clipped by their precision as in scikit-learn."""
    eps = np.finfo("float64").eps
    return np.log(np.clip(probabilities, eps, 1 - eps))
