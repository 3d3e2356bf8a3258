"""The population stability index: how far the distribution of a column is from that of a reference.

PSI = sum((a - e) * ln(a / e)) over bins, where a is the share of rows in a bin and e the share of the reference's rows
(N. Siddiqi, Credit Risk Scorecards, 2006). The caller chooses the bins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: An empty bin counts as half a row, so that the index stays finite.
EMPTY_BIN_ROWS = 0.5


def index_by_bin(
    shares: np.ndarray, rows: float | np.ndarray, reference_shares: np.ndarray, reference_rows: float | np.ndarray
) -> np.ndarray:
    """Return each bin's part of the index; all arguments broadcast against each other.

    Parameters
    ----------
    shares, reference_shares
        Share of the rows in each bin, of shape (..., n_bins).
    rows, reference_rows
        Rows that the shares are known from.
    """
    import numpy as np

    actual = np.maximum(shares, EMPTY_BIN_ROWS / rows)
    expected = np.maximum(reference_shares, EMPTY_BIN_ROWS / reference_rows)
    return (actual - expected) * np.log(actual / expected)


def stability_index(counts: np.ndarray, reference: np.ndarray) -> float:
    """Return the index of rows by bin beside those of a reference; NaN where either has no rows.

    A bin that is empty on both sides adds nothing.

    Parameters
    ----------
    counts, reference
        Rows by bin, of shape (n_bins,).
    """
    import numpy as np

    rows, reference_rows = counts.sum(), reference.sum()
    if not rows or not reference_rows:
        return float("nan")
    parts = index_by_bin(counts / rows, rows, reference / reference_rows, reference_rows)
    return float(np.sum(np.where((counts == 0) & (reference == 0), 0.0, parts)))
