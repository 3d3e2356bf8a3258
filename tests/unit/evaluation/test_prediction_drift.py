"""The drift between two models' predictions is one number, whatever the predictions look like."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.evaluation.prediction_drift import PredictionDrift, measure_prediction_drift

ROWS = 5000
#: What the field calls a large drift (Siddiqi, 2006).
LARGE = 0.25


def _normal(seed: int = 1, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, ROWS)


def test_equal_predictions_have_not_drifted() -> None:
    """Equal predictions have the index 0, the correlation 1, and the same mean."""
    predictions = _normal()

    found = measure_prediction_drift(predictions, predictions.copy())

    assert found == PredictionDrift(0, pytest.approx(1), predictions.mean(), predictions.mean(), ROWS)


@pytest.mark.parametrize("value", [0.1, 0.5], ids=["lower", "higher"])
def test_two_different_constants_are_a_large_drift(value: float) -> None:
    """Where the champion predicts one number, any other number is on one side of it and makes the index large."""
    found = measure_prediction_drift(np.full(ROWS, value), np.full(ROWS, 0.3))

    assert found.index > LARGE
    assert math.isnan(found.correlation)
    assert measure_prediction_drift(np.full(ROWS, 0.3), np.full(ROWS, 0.3)).index == 0


def test_the_correlation_is_of_ranks() -> None:
    """A model that orders the rows as the champion does correlates fully, and one that reverses them not at all."""
    predictions = _normal()

    assert measure_prediction_drift(np.exp(predictions), predictions).correlation == pytest.approx(1)
    assert measure_prediction_drift(-predictions, predictions).correlation == pytest.approx(-1)


def test_of_several_classes_the_one_that_drifted_most_is_returned() -> None:
    """The class whose probabilities are most unlike the champion's gives every number."""
    draw = np.random.default_rng(5)
    champion = draw.dirichlet([2, 2, 2], ROWS)
    challenger = champion.copy()
    challenger[:, 2] = champion[:, 2] / 2
    challenger[:, 1] += champion[:, 2] / 2

    found = measure_prediction_drift(challenger, champion)

    assert found == measure_prediction_drift(challenger[:, 2], champion[:, 2])
    assert found.challenger_mean == pytest.approx(found.champion_mean / 2)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_non_finite_prediction_leaves_the_drift_unknown(broken: float) -> None:
    """No index is made up where one is not defined, of one column or of the last of several."""
    predictions = np.column_stack([_normal(), _normal(2)])
    faulty = predictions.copy()
    faulty[7, 1] = broken

    assert math.isnan(measure_prediction_drift(faulty[:, 1], predictions[:, 1]).index)
    assert math.isnan(measure_prediction_drift(faulty, predictions).index)
    assert math.isnan(measure_prediction_drift(predictions, faulty).index)


def test_no_rows_have_no_drift() -> None:
    """An empty holdout gives a NaN, and no error."""
    found = measure_prediction_drift(np.empty(0), np.empty(0))

    assert (math.isnan(found.index), found.rows) == (True, 0)
