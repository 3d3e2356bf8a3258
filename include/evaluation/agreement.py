"""Whether a model predicts the same for the same rows, in another process, order or batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: Predictions that differ by no more are equal; sums in another order differ by far less.
TOLERANCE = 1e-9


def largest_difference(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the largest difference between predictions of the same rows, as a share of their size.

    The size is that of the larger of the two predictions, or the mean size of all expected predictions where that is
    larger: next to 0, any difference would be large relative to the value itself.

    Parameters
    ----------
    expected, found
        Predictions of shape (n_rows,) or (n_rows, n_classes).

    Returns
    -------
    difference
        0 without rows; NaN where a prediction is not a number or the shapes differ.
    """
    import numpy as np

    if expected.shape != found.shape:
        return math.nan
    if not expected.size:
        return 0.0
    size = np.maximum(np.maximum(np.abs(expected), np.abs(found)), np.abs(expected).mean())
    with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, which is returned
        return float((np.abs(expected - found) / np.where(size > 0, size, 1.0)).max())
