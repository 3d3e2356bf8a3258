"""The metric of a resample of days is the metric of its rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from include.evaluation.ranking_resamples import CHUNK_ROUNDS
from tests.unit.evaluation.compared import Rows, each_measure, named

if TYPE_CHECKING:
    from include.evaluation.metrics import Metric


@each_measure
@pytest.mark.parametrize("seed", range(5))
def test_each_day_drawn_once_is_the_metric_itself(measure: Metric, seed: int) -> None:
    """With every day drawn once, the sums by day give scikit-learn's number."""
    rows = Rows(measure.task, seed)
    once = np.ones((1, 14), dtype="int64")

    found = measure.on_resamples(rows.y_true, rows.worse, rows.day)(once)

    assert found == pytest.approx([measure.value(rows.y_true, rows.worse)], abs=1e-9)


@each_measure
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", [False, True])
def test_a_resample_has_the_metric_of_its_days_repeated(measure: Metric, seed: int, ties: bool) -> None:
    """A day drawn twice counts as if its rows were there twice, also where predictions are tied."""
    rows = Rows(measure.task, seed, days=10, rows=300)
    predicted = rows.tied(rows.worse) if ties else rows.worse
    resamples = np.random.default_rng(seed).multinomial(10, np.full(10, 0.1), size=30)

    found = measure.on_resamples(rows.y_true, predicted, rows.day)(resamples)

    for drawn, value in zip(resamples, found, strict=True):
        repeated = np.repeat(np.arange(len(rows.day)), drawn[rows.day])
        expected = measure.value(rows.y_true[repeated], predicted[repeated])
        assert math.isfinite(expected)
        assert value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1_macro", "roc_auc_ovr", "log_loss", "accuracy"])
def test_a_class_of_few_days_is_missing_from_some_resamples(metric: str) -> None:
    """Where a resample lacks a class, the metric is that of its rows, NaN included."""
    rows, measure = Rows("multiclass", days=10, rows=300), named("multiclass", metric)
    rows.y_true[(rows.y_true == 3) & (rows.day > 0)] = 2
    resamples = np.random.default_rng(7).multinomial(10, np.full(10, 0.1), size=30)

    found = measure.on_resamples(rows.y_true, rows.worse, rows.day)(resamples)

    lacks = resamples[:, 0] == 0
    assert 0 < lacks.sum() < len(resamples)
    for drawn, value in zip(resamples, found, strict=True):
        repeated = np.repeat(np.arange(len(rows.day)), drawn[rows.day])
        expected = measure.value(rows.y_true[repeated], rows.worse[repeated])
        assert value == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert np.isnan(found).tolist() == (lacks if metric == "roc_auc_ovr" else np.zeros(30, dtype=bool)).tolist()


def test_more_resamples_than_a_chunk_are_all_measured() -> None:
    """The average precision of many resamples does not depend on the size of a chunk."""
    rows = Rows("binary")
    resamples = np.random.default_rng(7).multinomial(14, np.full(14, 1 / 14), size=2 * CHUNK_ROUNDS + 5)
    measured = named("binary", "average_precision").on_resamples(rows.y_true, rows.worse, rows.day)

    found = measured(resamples)

    assert len(found) == len(resamples)
    assert found == pytest.approx([measured(each[None])[0] for each in resamples], abs=1e-12)


@each_measure
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_certain_and_wrong_predictions_stay_finite(measure: Metric, kind: Any) -> None:
    """Predictions of exactly 0 and 1 are clipped as scikit-learn does it, whichever their precision."""
    rows = Rows(measure.task)
    predicted = rows.certain(rows.worse).astype(kind)

    found = measure.on_resamples(rows.y_true, predicted, rows.day)(np.ones((1, 14), dtype="int64"))

    assert math.isfinite(found[0])
    assert found == pytest.approx([measure.value(rows.y_true, predicted)], abs=1e-9)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "f1"])
def test_a_resample_without_a_positive_has_no_metric(metric: str) -> None:
    """A resample of days without a positive is NaN, and the other resamples are not affected."""
    day, y_true = np.repeat([0, 1], 4), np.array([0, 0, 0, 0, 0, 1, 0, 1.0])
    predicted, measure = np.linspace(0, 1, 8), named("binary", metric)

    found = measure.on_resamples(y_true, predicted, day)(np.array([[2, 0], [1, 1]]))

    assert math.isnan(found[0])
    assert found[1] == pytest.approx(measure.value(y_true, predicted))


def test_positives_that_are_not_found_have_an_f1_of_0() -> None:
    """A resample with positives and no hit has the lowest F1."""
    day, y_true = np.repeat([0, 1], 2), np.array([0, 1, 0, 1.0])

    found = named("binary", "f1").on_resamples(y_true, np.array([0, 0, 0.1, 0.9]), day)(np.array([[2, 0], [0, 2]]))

    assert found.tolist() == [0.0, 1.0]


def test_a_resample_of_equal_labels_has_no_r2() -> None:
    """A resample whose labels are all the same is NaN, like the metric itself."""
    day, y_true = np.repeat([0, 1, 2], 7), np.repeat([0.1, 0.3, 0.7], 7)
    predicted = y_true + np.linspace(-0.05, 0.05, 21)

    found = named("regression", "r2").on_resamples(y_true, predicted, day)(np.array([[3, 0, 0], [0, 3, 0], [0, 0, 3]]))

    assert np.isnan(found).all()


def test_a_resample_of_labels_of_0_has_no_wape() -> None:
    """A resample of days without any sales has no sum to divide by; the others do."""
    day, y_true = np.repeat([0, 1], 2), np.array([0, 0, 3, 1.0])

    found = named("regression", "wape").on_resamples(y_true, y_true + 1, day)(np.array([[2, 0], [1, 1]]))

    assert math.isnan(found[0])
    assert found[1] == pytest.approx(1)
