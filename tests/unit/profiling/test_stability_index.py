"""The population stability index is the formula's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.profiling.stability_index import index_by_bin, stability_index


def test_the_index_is_that_of_the_formula() -> None:
    """Shares of 3/4 and 1/4 beside two halves give (1/4) ln(3/2) - (1/4) ln(1/2)."""
    index = stability_index(np.array([75, 25]), np.array([50, 50]))

    assert index == pytest.approx(0.25 * math.log(1.5) - 0.25 * math.log(0.5))


def test_an_empty_bin_counts_as_half_a_row() -> None:
    """A bin that is empty on one side has a finite part, and one that is empty on both sides has none."""
    index = stability_index(np.array([100, 0, 0]), np.array([50, 50, 0]))

    assert index == pytest.approx(0.5 * math.log(2) + (0.005 - 0.5) * math.log(0.005 / 0.5))


def test_the_parts_are_those_of_each_day_and_bin() -> None:
    """Days of different sizes are compared with one reference at once."""
    shares, rows = np.array([[0.75, 0.25], [1.0, 0.0]]), np.array([[100], [10]])

    parts = index_by_bin(shares, rows, np.array([0.5, 0.5]), 1000)

    assert parts.shape == (2, 2)
    assert parts[1] == pytest.approx([0.5 * math.log(2), (0.05 - 0.5) * math.log(0.05 / 0.5)])


@pytest.mark.parametrize(("counts", "reference"), [([0, 0], [1, 1]), ([1, 1], [0, 0])])
def test_no_rows_have_no_index(counts: list[int], reference: list[int]) -> None:
    """Without a row on either side the index is NaN."""
    assert math.isnan(stability_index(np.array(counts), np.array(reference)))
