"""Bins of numbers by the quantiles of a reference, for the population stability index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.profiling.stability_index import stability_index

if TYPE_CHECKING:
    import numpy as np

BINS = 10


@dataclass(frozen=True)
class QuantileBins:
    """Bins of numbers: quantiles of a reference, and its values that many rows share.

    Attributes
    ----------
    inner
        Where one bin ends and the next begins. The outer bins have no outer edge: otherwise a value just beyond the
        reference's would be in a bin without any row of the reference.
    alone
        Values that have a bin of their own.
    """

    inner: list[float]
    alone: list[float]

    @classmethod
    def of(cls, reference: np.ndarray, bins: int = BINS) -> QuantileBins:
        """Return bins with equally many rows of a reference each; a value that many rows share has its own bin."""
        import numpy as np

        quantiles = np.quantile(reference, np.linspace(0, 1, bins + 1))
        edges, times = np.unique(quantiles, return_counts=True)
        return cls(np.unique(quantiles[1:-1]).tolist(), edges[times > 1].tolist())

    @property
    def number(self) -> int:
        """Number of bins."""
        return len(self.inner) + len(self.alone) + 1

    def place(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each value, 0 to `number` - 1, of shape (n_values,)."""
        import numpy as np

        return np.searchsorted(self.inner, values, side="left") + np.searchsorted(self.alone, values, side="right")

    def count(self, values: np.ndarray) -> np.ndarray:
        """Return the number of values in each bin, of shape (number,)."""
        import numpy as np

        return np.bincount(self.place(values), minlength=self.number)


def quantile_stability_index(values: np.ndarray, reference: np.ndarray, bins: int = BINS) -> float:
    """Return the stability index of values beside a reference, over quantiles of the reference."""
    binned = QuantileBins.of(reference, bins)
    return stability_index(binned.count(values), binned.count(reference))
