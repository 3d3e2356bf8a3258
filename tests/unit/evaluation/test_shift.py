"""How far two models' predictions are apart is one number, whatever the predictions look like."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.evaluation.shift import PredictionShift, measure_shift, stability_index

ROWS = 5000
#: What the field calls no shift, and a large one (Siddiqi, 2006).
SMALL, LARGE = 0.1, 0.25


def _normal(seed: int = 1, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, ROWS)


def test_equal_predictions_have_not_shifted() -> None:
    """The champion beside itself has the index 0, the correlation 1, and the same mean."""
    predictions = _normal()

    found = measure_shift(predictions, predictions.copy())

    assert found == PredictionShift(0, pytest.approx(1), predictions.mean(), predictions.mean(), ROWS)


def test_the_index_is_that_of_the_formula() -> None:
    """Shares of 3/4 and 1/4 beside two halves give (1/4) ln(3/2) - (1/4) ln(1/2)."""
    reference = np.arange(100.0)

    index = stability_index(np.concatenate([np.full(75, 10.0), np.full(25, 90.0)]), reference, bins=2)

    assert index == pytest.approx(0.25 * math.log(1.5) - 0.25 * math.log(0.5))


def test_another_draw_of_the_same_distribution_is_a_small_shift() -> None:
    """Chance alone is far from what the gate allows, and a shift of one deviation is far beyond it."""
    assert stability_index(_normal(2), _normal()) < SMALL / 5
    assert stability_index(_normal(2, mean=1), _normal()) > LARGE


@pytest.mark.parametrize("side", [-1, 1], ids=["below", "above"])
def test_values_just_beyond_the_champions_are_a_small_shift(side: int) -> None:
    """Some rows below the lowest of the champion's weigh as much as some above the highest: little.

    They once were in a bin of their own that the champion has one row in, which alone was beyond the limit.
    """
    reference = _normal()
    moved = np.random.default_rng(3).random(ROWS) < 0.05

    index = stability_index(np.where(moved, side * (np.abs(reference).max() + 0.01), reference), reference)

    assert 0 < index < SMALL


@pytest.mark.parametrize("value", [0.1, 0.5], ids=["lower", "higher"])
def test_a_constant_beside_another_constant_is_a_large_shift(value: float) -> None:
    """A champion that predicts one number has all else beside it, on either side."""
    found = measure_shift(np.full(ROWS, value), np.full(ROWS, 0.3))

    assert found.index > LARGE
    assert math.isnan(found.correlation)
    assert measure_shift(np.full(ROWS, 0.3), np.full(ROWS, 0.3)).index == 0


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0], ids=["the lowest", "in the middle", "the highest"])
def test_a_value_that_many_rows_share_has_a_bin_of_its_own(value: float) -> None:
    """Where the champion gives many rows the same number and the challenger one near it, that is seen."""
    draw = np.random.default_rng(4)
    shared = draw.random(ROWS) < 0.4
    reference = np.where(shared, value, draw.random(ROWS))

    near = np.where(shared, np.clip(value, 0.03, 0.97) - 0.01, reference)

    assert stability_index(reference.copy(), reference) == 0
    assert stability_index(near, reference) > LARGE


def test_the_index_of_two_models_is_finite_where_a_bin_is_empty() -> None:
    """Predictions that have nothing of the champion's lowest tenth give a number."""
    reference = _normal()

    assert math.isfinite(stability_index(np.clip(reference, 0, None), reference))


def test_the_correlation_is_of_ranks() -> None:
    """A model that orders the rows as the champion does correlates fully, and one that reverses them not at all."""
    predictions = _normal()

    assert measure_shift(np.exp(predictions), predictions).correlation == pytest.approx(1)
    assert measure_shift(-predictions, predictions).correlation == pytest.approx(-1)


def test_of_several_classes_the_one_that_shifted_most_is_told() -> None:
    """The class whose probabilities are most unlike the champion's gives every number."""
    draw = np.random.default_rng(5)
    champion = draw.dirichlet([2, 2, 2], ROWS)
    challenger = champion.copy()
    challenger[:, 2] = champion[:, 2] / 2
    challenger[:, 1] += champion[:, 2] / 2

    found = measure_shift(challenger, champion)

    assert found == measure_shift(challenger[:, 2], champion[:, 2])
    assert found.challenger_mean == pytest.approx(found.champion_mean / 2)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_prediction_that_is_no_number_leaves_the_shift_unknown(broken: float) -> None:
    """No index is made up where one is not defined, of one column or of the last of several."""
    predictions = np.column_stack([_normal(), _normal(2)])
    faulty = predictions.copy()
    faulty[7, 1] = broken

    assert math.isnan(measure_shift(faulty[:, 1], predictions[:, 1]).index)
    assert math.isnan(measure_shift(faulty, predictions).index)
    assert math.isnan(measure_shift(predictions, faulty).index)


def test_no_rows_have_no_shift_to_tell() -> None:
    """An empty holdout gives a NaN, and no error."""
    found = measure_shift(np.empty(0), np.empty(0))

    assert (math.isnan(found.index), found.rows) == (True, 0)
