"""How far the challenger's predictions are from the champion's, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields

if TYPE_CHECKING:
    import numpy as np

#: Bins of the champion's predictions, each of as many rows.
BINS = 10
#: An empty bin counts as so much of a row, so that the index stays finite.
EMPTY = 0.5


@dataclass(frozen=True)
class PredictionShift:
    """The distribution of two models' predictions.

    Attributes
    ----------
    index
        Population stability index of the challenger's predictions over tenths of the champion's; of several
        classes the largest of any class's probability.
    correlation
        Rank correlation (Spearman's) of the two, row by row; NaN where one of them is constant. Of several
        classes that of the class with the largest index.
    challenger_mean, champion_mean
        Means of the predictions; of several classes those of that class.
    """

    index: Number
    correlation: Number
    challenger_mean: Number
    champion_mean: Number
    rows: int


def measure_shift(challenger: np.ndarray, champion: np.ndarray) -> PredictionShift:
    """Compare two models' predictions of the same rows.

    Parameters
    ----------
    challenger, champion
        Of shape (n_rows,), or (n_rows, n_classes).
    """
    import numpy as np

    first, second = (np.asarray(each, dtype="float64") for each in (challenger, champion))
    first, second = (each[:, None] if each.ndim == 1 else each for each in (first, second))
    found = [_of_column(first[:, at], second[:, at]) for at in range(first.shape[1])]
    unknown = [each for each in found if not np.isfinite(each.index)]
    return unknown[0] if unknown else max(found, key=lambda each: each.index)


def _of_column(challenger: np.ndarray, champion: np.ndarray) -> PredictionShift:
    import numpy as np

    rows = len(challenger)
    if not rows or not (np.isfinite(challenger).all() and np.isfinite(champion).all()):
        nan = float("nan")
        return PredictionShift(nan, nan, nan, nan, rows)
    index = stability_index(challenger, champion)
    means = float(challenger.mean()), float(champion.mean())
    return PredictionShift(index, _rank_correlation(challenger, champion), *means, rows)


@dataclass(frozen=True)
class Bins:
    """Bins of numbers: quantiles of a reference, and its values that many rows share.

    Attributes
    ----------
    inner
        Where one bin ends and the next begins; the outer ones have no end, or a value just beyond the reference's
        would be in a bin without any of it.
    alone
        Values that have a bin of their own.
    """

    inner: list[float]
    alone: list[float]

    @classmethod
    def of(cls, reference: np.ndarray, bins: int = BINS) -> Bins:
        """Return bins of which each has as many rows of a reference, but for the values with one of their own."""
        import numpy as np

        quantiles = np.quantile(reference, np.linspace(0, 1, bins + 1))
        edges, times = np.unique(quantiles, return_counts=True)
        return cls(np.unique(quantiles[1:-1]).tolist(), edges[times > 1].tolist())

    @property
    def number(self) -> int:
        """How many bins there are."""
        return len(self.inner) + len(self.alone) + 1

    def place(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each value, 0 to `number` - 1, of shape (n_values,)."""
        import numpy as np

        return np.searchsorted(self.inner, values, side="left") + np.searchsorted(self.alone, values, side="right")

    def count(self, values: np.ndarray) -> np.ndarray:
        """Return how many values each bin has, of shape (number,)."""
        import numpy as np

        return np.bincount(self.place(values), minlength=self.number)


def stability_index(values: np.ndarray, reference: np.ndarray, bins: int = BINS) -> float:
    """Return the population stability index of values beside a reference, over quantiles of the reference.

    A value that many rows of the reference share has a bin of its own.
    """
    binned = Bins.of(reference, bins)
    return index_of_counts(binned.count(values), binned.count(reference))


def index_of_counts(counts: np.ndarray, reference: np.ndarray) -> float:
    """Return the population stability index of the rows in each bin beside those of a reference; NaN of no rows.

    It is the sum over bins of (share - reference share) times the logarithm of their ratio (Siddiqi, Credit Risk
    Scorecards, 2006).

    Parameters
    ----------
    counts, reference
        Rows by bin, of shape (n_bins,).
    """
    import numpy as np

    if not counts.sum() or not reference.sum():
        return float("nan")
    share, expected = (np.maximum(each, EMPTY) / each.sum() for each in (counts, reference))
    both_empty = (counts == 0) & (reference == 0)
    return float(np.sum(np.where(both_empty, 0.0, (share - expected) * np.log(share / expected))))


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    import numpy as np
    from scipy.stats import rankdata

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
