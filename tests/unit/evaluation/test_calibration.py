"""Calibrated probabilities have almost no error; for others the error says by how much they miss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from include.evaluation.calibration import CalibrationResult, measure_calibration, recalibration
from include.evaluation.metrics import Metric

AUC = Metric("binary", "roc_auc")


def _rows(rows: int = 4000, seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, their days, and the probabilities that they were drawn with."""
    draw = np.random.default_rng(seed)
    true = draw.uniform(0.1, 0.8, rows)
    return (draw.random(rows) < true).astype("float64"), np.arange(rows) % 28, true


def _calibration(
    y: np.ndarray, days: np.ndarray, ours: np.ndarray, champion: Any = None, **changes: Any
) -> CalibrationResult:
    how = {"rounds": 300, "confidence": 0.95, "seed": 7} | changes
    found = measure_calibration(AUC, y, days, ours, champion, **how)
    assert found is not None
    return found


def test_true_probabilities_are_calibrated() -> None:
    """Next to no error, and nothing for a recalibration to correct."""
    y, days, true = _rows()

    found = _calibration(y, days, true)

    assert found.error < 0.03
    assert found.low <= found.error
    assert found.slope == pytest.approx(1, abs=0.1)
    assert found.intercept == pytest.approx(0, abs=0.1)
    assert found.mean_predicted == pytest.approx(true.mean())
    assert found.mean_observed == y.mean()
    assert found.champion_error is None


def test_probabilities_that_are_too_small_by_a_tenth_have_an_error_of_a_tenth() -> None:
    """The error and its interval are about what is missing, and the intercept is above 0."""
    inside = 0
    for seed in range(20):
        y, days, true = _rows(seed=seed)
        found = _calibration(y, days, true - 0.1)
        inside += found.low <= 0.1 <= found.high

    assert inside >= 16
    assert found.error == pytest.approx(0.1, abs=0.03)
    assert found.intercept > 0.2


def test_the_interval_takes_off_what_chance_adds() -> None:
    """Of few rows the error is larger than the true one by chance, and the interval reaches down to the true one."""
    larger = above = 0
    for seed in range(20):
        y, days, true = _rows(rows=400, seed=seed)
        found = _calibration(y, days, true - 0.05)
        larger += found.error > 0.06
        above += found.low > 0.05

    assert larger >= 10
    assert above <= 2  # a percentile interval would be above it in half of the cases


@pytest.mark.parametrize(("factor", "intercept"), [(2.0, 0.3), (0.5, -0.4)])
def test_the_recalibration_recovers_a_change_of_the_log_odds(factor: float, intercept: float) -> None:
    """Log odds that were stretched and moved are brought back by the inverse."""
    y, _, true = _rows(rows=40_000)
    odds = np.log(true / (1 - true))
    predicted = 1 / (1 + np.exp(-(odds - intercept) * factor))

    slope, found = recalibration(y, predicted)

    assert slope == pytest.approx(1 / factor, rel=0.05)
    assert found == pytest.approx(intercept, abs=0.05)


@pytest.mark.parametrize(
    "predicted",
    [np.full(200, 0.3), np.linspace(0.01, 0.99, 200), np.linspace(0.99, 0.01, 200), np.repeat([0.0, 1.0], 100)],
    ids=["constant", "perfect", "reversed", "certain"],
)
def test_a_recalibration_that_is_not_defined_is_nan(predicted: np.ndarray) -> None:
    """One probability for all rows, or perfectly separated labels, have no best slope."""
    assert all(math.isnan(each) for each in recalibration(np.repeat([0.0, 1.0], 100), predicted))


def test_certain_and_wrong_probabilities_have_a_slope_all_the_same() -> None:
    """Probabilities of 0 and 1 have no log odds, and are taken to be almost as certain."""
    y = np.tile([0.0, 0.0, 1.0, 1.0], 100)

    slope, intercept = recalibration(y, np.tile([0.0, 1.0, 1.0, 1.0], 100))

    # of the rows with 0 none is positive, so the best slope has no end
    assert math.isnan(slope)
    slope, intercept = recalibration(y, np.tile([0.0, 1.0, 1.0, 0.0], 100))
    assert (slope, intercept) == pytest.approx((0, 0), abs=1e-6)


def test_the_champion_is_measured_on_the_same_rows() -> None:
    """Its error is its own."""
    y, days, true = _rows()

    found = _calibration(y, days, true, true - 0.1)

    assert found.champion_error == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    ("y", "predicted"),
    [
        (np.ones(50), np.full(50, 0.4)),
        (np.arange(50) % 2 * 1.0, np.full(50, math.nan)),
        (np.arange(50) % 2 * 1.0, np.full(50, 1.5)),
        (np.array([]), np.array([])),
    ],
    ids=["one class", "no numbers", "no probabilities", "no rows"],
)
def test_an_undefined_recalibration_is_nan(y: np.ndarray, predicted: np.ndarray) -> None:
    """What is undefined is NaN, never a number."""
    found = _calibration(y, np.arange(len(y)) % 5, predicted)

    assert all(math.isnan(each) for each in (found.error, found.low, found.high, found.slope, found.intercept))


def test_a_single_day_has_an_error_without_an_interval() -> None:
    """The error is known, but not how much of it is noise."""
    y, days, true = _rows()

    found = _calibration(y, np.zeros_like(days), true)

    assert found.error < 0.03
    assert math.isnan(found.low)


@pytest.mark.parametrize("task", ["multiclass", "regression", "forecasting"])
def test_other_tasks_are_not_measured(task: str) -> None:
    """Calibration here is of the probability of one class."""
    measure = Metric(task, "log_loss" if task == "multiclass" else "mae")

    assert measure_calibration(measure, *_rows()[:2], _rows()[2], None, rounds=100, confidence=0.95, seed=7) is None
