"""Over quantiles of a reference, the stability index is small for chance and large for drift."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.evaluation.quantile_bins import quantile_stability_index

ROWS = 5000
#: What the field calls no drift, and a large one (Siddiqi, 2006).
SMALL, LARGE = 0.1, 0.25


def _normal(seed: int = 1, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, ROWS)


def test_the_index_is_that_of_the_formula() -> None:
    """Shares of 3/4 and 1/4 against two halves give (1/4) ln(3/2) - (1/4) ln(1/2)."""
    reference = np.arange(100.0)

    index = quantile_stability_index(np.concatenate([np.full(75, 10.0), np.full(25, 90.0)]), reference, bins=2)

    assert index == pytest.approx(0.25 * math.log(1.5) - 0.25 * math.log(0.5))


def test_another_sample_of_the_same_distribution_is_a_small_drift() -> None:
    """Chance alone is far from what the gate allows, and a drift of one standard deviation is far beyond it."""
    assert quantile_stability_index(_normal(2), _normal()) < SMALL / 5
    assert quantile_stability_index(_normal(2, mean=1), _normal()) > LARGE


@pytest.mark.parametrize("side", [-1, 1], ids=["below", "above"])
def test_values_just_beyond_the_champions_are_a_small_drift(side: int) -> None:
    """Some rows below the lowest of the champion's weigh as much as some above the highest: little.

    They once were in a bin of their own that the champion has one row in, which alone was beyond the limit.
    """
    reference = _normal()
    moved = np.random.default_rng(3).random(ROWS) < 0.05

    index = quantile_stability_index(np.where(moved, side * (np.abs(reference).max() + 0.01), reference), reference)

    assert 0 < index < SMALL


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0], ids=["the lowest", "in the middle", "the highest"])
def test_a_value_that_many_rows_share_has_a_bin_of_its_own(value: float) -> None:
    """Where the champion gives many rows the same number and the challenger one near it, that is seen."""
    draw = np.random.default_rng(4)
    shared = draw.random(ROWS) < 0.4
    reference = np.where(shared, value, draw.random(ROWS))

    near = np.where(shared, np.clip(value, 0.03, 0.97) - 0.01, reference)

    assert quantile_stability_index(reference.copy(), reference) == 0
    assert quantile_stability_index(near, reference) > LARGE


def test_the_index_of_two_models_is_finite_where_a_bin_is_empty() -> None:
    """Predictions that have nothing of the champion's lowest tenth give a number."""
    reference = _normal()

    assert math.isfinite(quantile_stability_index(np.clip(reference, 0, None), reference))
