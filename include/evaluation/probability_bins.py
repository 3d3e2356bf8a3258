"""Ten bins of equal width, by which calibration is measured and drawn."""

from __future__ import annotations

import numpy as np

PROBABILITY_BINS = 10


def bin_of_probability(probabilities: np.ndarray) -> np.ndarray:
    """Return the bin of each probability, 0 to PROBABILITY_BINS - 1; a bin includes its lower edge."""
    return np.minimum((probabilities * PROBABILITY_BINS).astype("int64"), PROBABILITY_BINS - 1)
