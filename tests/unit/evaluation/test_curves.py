"""The data of a model's plots is small, and agrees with the metrics."""

from __future__ import annotations

import json

import numpy as np
import pytest

from include.evaluation.curves import CLASSES, OTHERS, ROC_POINTS, measure_curves, metric_intervals
from include.evaluation.metrics import Metric, all_metrics
from tests.unit.evaluation.compared import Rows

NOISE = {"rounds": 200, "confidence": 0.95, "seed": 7}


def test_a_roc_curve_of_each_model_is_thinned_and_keeps_its_area() -> None:
    """Both curves run from corner to corner, and have the area that the metric is."""
    rows, measure = Rows("binary"), Metric("binary", "roc_auc")

    found = measure_curves(measure, rows.y_true, rows.days, rows.good, rows.worse, **NOISE)

    assert found.roc is not None
    assert [each.model for each in found.roc] == ["challenger", "champion"]
    for curve, predicted in zip(found.roc, (rows.good, rows.worse), strict=True):
        assert curve.area == pytest.approx(measure.value(rows.y_true, predicted))
        assert len(curve.points) <= ROC_POINTS
        assert (curve.points[0], curve.points[-1]) == ([0.0, 0.0], [1.0, 1.0])
        false, true = np.transpose(curve.points)
        assert np.trapezoid(true, false) == pytest.approx(curve.area, abs=0.01)


def test_without_a_champion_there_is_one_curve() -> None:
    """A first model stands alone."""
    rows = Rows("binary")

    found = measure_curves(Metric("binary", "roc_auc"), rows.y_true, rows.days, rows.good, **NOISE)

    assert found.roc is not None
    assert [each.model for each in found.roc] == ["challenger"]


def test_the_bins_make_up_the_calibration_error() -> None:
    """Weighed by their rows, the differences of the bins are the metric; all rows are in one."""
    rows, measure = Rows("binary"), Metric("binary", "calibration_error")

    bins = measure_curves(measure, rows.y_true, rows.days, rows.worse, **NOISE).calibration

    assert bins is not None
    assert sum(each.rows for each in bins) == len(rows.y_true)
    error = sum(each.rows * abs(each.predicted - each.observed) for each in bins) / len(rows.y_true)
    assert error == pytest.approx(measure.value(rows.y_true, rows.worse))
    assert all(each.low <= each.predicted <= each.high for each in bins)


def test_residuals_are_grouped_by_prediction() -> None:
    """Groups of about as many rows, in the order of the prediction; a model that says too little has them above 0."""
    rows = Rows("regression")

    found = measure_curves(Metric("regression", "mae"), rows.y_true, rows.days, rows.good - 5, **NOISE)

    assert found.residuals is not None
    assert found.residual_quantiles is not None
    assert sum(each.rows for each in found.residuals) == len(rows.y_true)
    predicted = [each.predicted for each in found.residuals]
    assert predicted == sorted(predicted)
    assert all(each.low <= each.median <= each.high for each in found.residuals)
    assert found.residual_quantiles["0.5"] == pytest.approx(5, abs=0.3)


def test_the_confusion_has_the_shares_of_each_class() -> None:
    """A line is a class and adds up to 1; weighed by the classes' rows its diagonal is the accuracy."""
    rows, measure = Rows("multiclass"), Metric("multiclass", "accuracy")

    found = measure_curves(measure, rows.y_true, rows.days, rows.worse, classes=["a", "b", "c", "d"], **NOISE).confusion

    assert found is not None
    assert found.classes == ["a", "b", "c", "d"]
    assert [sum(line) for line in found.shares] == pytest.approx([1.0] * 4)
    right = sum(rows_of * line[at] for at, (rows_of, line) in enumerate(zip(found.rows, found.shares, strict=True)))
    assert right / sum(found.rows) == pytest.approx(measure.value(rows.y_true, rows.worse))


def test_rare_classes_share_a_line() -> None:
    """Among many classes the frequent ones are listed, and the others together."""
    rows = Rows("multiclass", classes=14)

    found = measure_curves(Metric("multiclass", "accuracy"), rows.y_true, rows.days, rows.good, **NOISE).confusion

    assert found is not None
    assert len(found.classes) == CLASSES
    assert found.classes[-1] == OTHERS
    assert sum(found.rows) == len(rows.y_true)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_each_metric_lies_in_its_interval(task: str) -> None:
    """Every metric of the task has one; the document is JSON without NaN."""
    rows = Rows(task)
    measure = Metric(task, {"binary": "roc_auc", "multiclass": "log_loss"}.get(task, "mae"))  # type: ignore[arg-type]

    found = measure_curves(measure, rows.y_true, rows.days, rows.worse, **NOISE)

    metrics = all_metrics(measure, rows.y_true, rows.worse)
    assert found.intervals.keys() == metrics.keys()
    for name, (low, high) in found.intervals.items():
        assert low < high
        if name != "calibration_error":  # chance makes this one larger on a resample
            assert low <= metrics[name] <= high
    assert "NaN" not in json.dumps(found.to_json(), allow_nan=False)


def test_a_single_day_has_no_intervals() -> None:
    """All resamples of one day are equal, which is not certainty."""
    rows = Rows("regression")
    measure, days = Metric("regression", "mae"), np.full(len(rows.y_true), "2024-02-01")

    assert metric_intervals(measure, rows.y_true, days, rows.good, **NOISE) == {}


def test_non_finite_predictions_have_no_plots() -> None:
    """The gate keeps such a model; its page has no plots."""
    rows = Rows("binary")
    rows.good[3] = np.nan

    found = measure_curves(Metric("binary", "roc_auc"), rows.y_true, rows.days, rows.good, **NOISE)

    assert (found.roc, found.calibration, found.intervals) == (None, None, {})


def test_labels_of_one_class_have_no_roc_curve() -> None:
    """One class has no ROC curve, but still its calibration bins."""
    rows = Rows("binary")

    found = measure_curves(Metric("binary", "roc_auc"), np.ones(700), rows.days, rows.good, **NOISE)

    assert found.roc is None
    assert found.calibration is not None
