"""How the values of one day are spread, beside those of the days before it: the population stability index."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from include.profiling.stability_index import index_by_bin

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

BINS = 10

#: The share of days without any change whose index is below what is taken for noise.
NOISE_QUANTILE = 0.99


@dataclass(frozen=True)
class Sample:
    """Some rows' values of one column.

    Attributes
    ----------
    values, weights
        Values, and how many rows each stands for.
    seen
        Rows that the weights are known from.
    """

    values: Sequence[str] | np.ndarray
    weights: np.ndarray
    seen: float


@dataclass(frozen=True)
class Shift:
    """How far a day is from its history.

    Attributes
    ----------
    psi
        The day's index against all of its history.
    usual
        The highest index that a day of the history has against the others of it.
    noise
        What the index could be without any change, since the rows are only so many.
    where, share, before
        The bin with the largest part of the index, its share of the day's rows, and that of the history's.
    """

    psi: float
    usual: float
    noise: float
    where: str
    share: float
    before: float


def population_shift(day: Sample, past: list[Sample], is_number: bool) -> Shift:
    """Hold how a day's values are spread against its history.

    The index is over bins of the history; a bin without rows counts as half a row, on both sides. Without any
    change it is near a chi-square of bins - 1 degrees of freedom times 1 / n_day + 1 / n_history (B. Yurdakul,
    Statistical Properties of Population Stability Index, 2018), whose 99 % quantile is the noise. A week's
    rhythm, or weather, makes it larger than that on every day, which `usual` tells.
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
    """Return the most frequent values of the history and the rest, with each day's rows that have them."""
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
    """Return ten bins of as many rows of the history each, with each day's rows in them; the history is days[1:].

    A value that alone has a bin's rows gets one of its own. Values that lie outside what was seen by more than
    half of its range have a bin at either end, so that those of another unit are not taken for a high day.
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
    """Return what each bin between and beyond the edges is called; no value of the history is beyond them."""
    # the number just below zero is not zero when written
    shown = [f"{0.0 if abs(edge) < 1e-300 else edge:.6g}" for edge in edges]
    between = [
        f"the value {right}" if left == right else f"values from {left} to {right}" for left, right in pairwise(shown)
    ]
    if len(edges) > 3:
        between[0] = f"values {'below' if shown[1] == shown[2] else 'up to'} {shown[1]}"
        between[-1] = f"values above {shown[-2]}"
    far = "farther off than any before"
    return [f"values below {shown[0]}, {far}", *between, f"values above {shown[-1]}, {far}"]
