"""Agreement: whether the same model says the same of the same rows, wherever and however it is asked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: Predictions that differ by less are the same; sums in another order differ by far less than this.
TOLERANCE = 1e-9


def largest_difference(expected: np.ndarray, found: np.ndarray) -> float:
    """Return by how much predictions of the same rows differ at most, as a share of what is expected.

    A difference is held against the larger of the two predictions, or the mean size of all that are expected where
    that is larger: next to 0 any difference is large beside the value itself.

    Parameters
    ----------
    expected, found
        Predictions of shape (n_rows,) or (n_rows, n_classes).

    Returns
    -------
    difference
        0 where there are no rows, and NaN where a prediction is not a number or the shapes differ.
    """
    import numpy as np

    if expected.shape != found.shape:
        return math.nan
    if not expected.size:
        return 0.0
    size = np.maximum(np.maximum(np.abs(expected), np.abs(found)), np.abs(expected).mean())
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, which is told
        return float((np.abs(expected - found) / np.where(size > 0, size, 1.0)).max())
