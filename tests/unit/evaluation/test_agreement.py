"""How far two sets of predictions of the same rows are apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.evaluation.agreement import TOLERANCE, largest_difference


def test_the_same_predictions_do_not_differ() -> None:
    """What is equal differs by nothing, zeros and no rows at all included."""
    assert largest_difference(np.array([0.0, 3.0]), np.array([0.0, 3.0])) == 0
    assert largest_difference(np.zeros((2, 3)), np.zeros((2, 3))) == 0
    assert largest_difference(np.empty(0), np.empty(0)) == 0


def test_a_difference_is_a_share_of_the_prediction() -> None:
    """The largest difference of all rows and classes counts, relative to its own prediction."""
    expected = np.array([[100.0, 2.0], [100.0, 200.0]])
    found = np.array([[100.0, 2.0], [100.0, 150.0]])

    assert largest_difference(expected, found) == pytest.approx(0.25)
    assert largest_difference(expected * 1e9, found * 1e9) == pytest.approx(0.25)


def test_rounding_of_a_prediction_next_to_zero_is_no_difference() -> None:
    """A sum that cancels out to almost 0 is held against the size of the others."""
    expected, found = np.array([1e-15, 10.0]), np.array([3e-15, 10.0])

    assert largest_difference(expected, found) <= TOLERANCE


@pytest.mark.parametrize(
    "found",
    [np.array([1.0, math.nan]), np.array([1.0, math.inf]), np.array([1.0]), np.array([[1.0, 2.0]])],
    ids=["NaN", "infinity", "too few", "another shape"],
)
def test_incomparable_predictions_have_no_difference(found: np.ndarray) -> None:
    """Neither NaN nor infinity nor another shape is within any tolerance."""
    assert not largest_difference(np.array([1.0, 2.0]), found) <= TOLERANCE
