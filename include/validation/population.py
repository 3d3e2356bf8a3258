"""The population stability index (PSI) of one day's values against those of earlier days."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from include.profiling.stability_index import index_by_bin

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

BINS = 10

#: The index of this share of days without any change is below the noise level.
NOISE_QUANTILE = 0.99


@dataclass(frozen=True)
class Sample:
    """The values of one column in some rows.

    Attributes
    ----------
    values, weights
        Values, and how many rows each stands for.
    seen
        The number of rows that were sampled.
    """

    values: Sequence[str] | np.ndarray
    weights: np.ndarray
    seen: float


@dataclass(frozen=True)
class Shift:
    """How far the distribution of a day is from its history.

    Attributes
    ----------
    psi
        The day's index against all of its history.
    usual
        The highest index of a day of the history against the other days.
    noise
        What the index can reach by chance without any change, given the numbers of rows.
    where, share, before
        The bin with the largest part of the index, its share of the day's rows, and its share of the history's.
    """

    psi: float
    usual: float
    noise: float
    where: str
    share: float
    before: float


def population_shift(day: Sample, past: list[Sample], is_number: bool) -> Shift:
    """Return how far a day's distribution is from its history.

    PSI = sum((a - e) * ln(a / e)) over bins, where a is the day's share of rows in a bin and e that of the
    history (N. Siddiqi, Credit Risk Scorecards, 2006); a bin without rows counts as half a row. Without any
    change it is nearly a chi-square of bins - 1 degrees of freedom times 1 / n_day + 1 / n_history (B. Yurdakul,
    Statistical Properties of Population Stability Index, 2018), whose 99 % quantile is the noise. Weekdays or
    weather make it larger than the noise on every day; `usual` accounts for that.
    """
    import numpy as np
    from scipy.special import chdtri

    labels, counts = _split_numbers([day, *past]) if is_number else _split_texts([day, *past])
    shares = counts / counts.sum(axis=1, keepdims=True)
    reference = counts[1:].sum(axis=0)
    seen = np.array([other.seen for other in past], dtype=float)
    parts = index_by_bin(shares[0], day.seen, reference / reference.sum(), seen.sum())
    usual = 0.0
    if len(past) > 1:
        others = reference - counts[1:]
        expected = others / others.sum(axis=1, keepdims=True)
        usual = index_by_bin(shares[1:], seen[:, None], expected, (seen.sum() - seen)[:, None]).sum(axis=1).max()
    noise = chdtri(len(labels) - 1, 1 - NOISE_QUANTILE) * (1 / day.seen + 1 / seen.sum())
    most = int(parts.argmax())
    before = reference[most] / reference.sum()
    return Shift(float(parts.sum()), float(usual), float(noise), labels[most], float(shares[0, most]), float(before))


def _split_texts(days: list[Sample]) -> tuple[list[str], np.ndarray]:
    """Return the labels of the history's most frequent values and of all others, and each day's rows of each."""
    import numpy as np

    totals: dict[str, float] = {}
    for day in days[1:]:
        for value, weight in zip(day.values, day.weights, strict=True):
            totals[value] = totals.get(value, 0) + weight
    most = sorted(totals, key=lambda value: (-totals[value], value))[: BINS - 1]
    place = {value: at for at, value in enumerate(most)}
    counts = np.zeros((len(days), len(most) + 1))
    for row, day in enumerate(days):
        for value, weight in zip(day.values, day.weights, strict=True):
            counts[row, place.get(value, len(most))] += weight
    return [*(f"the value '{value}'" for value in most), "other values"], counts


def _split_numbers(days: list[Sample]) -> tuple[list[str], np.ndarray]:
    """Return the labels of ten bins with equally many rows of the history, days[1:], and each day's rows in each.

    A value that fills a bin alone gets a bin of its own. Values beyond the seen range by more than half of it have a
    bin at either end, so that values of another unit are not taken for high ones.
    """
    import numpy as np

    values = np.concatenate([day.values for day in days])
    weights = np.concatenate([day.weights for day in days])
    number = np.repeat(np.arange(len(days)), [len(day.values) for day in days])
    old = values[number > 0]
    order = np.argsort(old, kind="stable")
    below = np.cumsum(weights[number > 0][order])
    at = np.searchsorted(below, below[-1] * np.arange(1, BINS) / BINS)
    tens = old[order][np.minimum(at, len(old) - 1)]
    often = tens[1:][tens[1:] == tens[:-1]]
    low, high = old.min(), old.max()
    reach = (high - low) / 2
    edges = np.unique([np.nextafter(low - reach, -np.inf), *tens, *np.nextafter(often, -np.inf), high + reach])
    bins = len(edges) + 1
    cell = number * bins + np.searchsorted(edges, values)
    return _labels(edges.tolist()), np.bincount(cell, weights, len(days) * bins).reshape(len(days), bins)


def _labels(edges: list[float]) -> list[str]:
    """Return the labels of the bins between and beyond the edges; no value of the history is beyond the edges."""
    # the number just below zero is shown as 0
    shown = [f"{0.0 if abs(edge) < 1e-300 else edge:.6g}" for edge in edges]
    between = [
        f"the value {right}" if left == right else f"values from {left} to {right}" for left, right in pairwise(shown)
    ]
    if len(edges) > 3:
        between[0] = f"values {'below' if shown[1] == shown[2] else 'up to'} {shown[1]}"
        between[-1] = f"values above {shown[-2]}"
    far = "farther off than any before"
    return [f"values below {shown[0]}, {far}", *between, f"values above {shown[-1]}, {far}"]
