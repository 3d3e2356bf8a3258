"""A metric is scikit-learn's number, or NaN where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from include.evaluation.metrics import all_metrics, metric_value
from include.training_config import METRICS

BINARY, REGRESSION = list(METRICS["binary"]), list(METRICS["regression"])
OF_SKLEARN = {
    "roc_auc": metrics.roc_auc_score,
    "average_precision": metrics.average_precision_score,
    "log_loss": metrics.log_loss,
    "brier": lambda y_true, y_pred: np.mean((y_true - y_pred) ** 2),
    "mae": metrics.mean_absolute_error,
    "rmse": lambda y_true, y_pred: math.sqrt(metrics.mean_squared_error(y_true, y_pred)),
    "r2": metrics.r2_score,
}

LABELS = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 1.0])
SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.2, 0.9])


@pytest.mark.parametrize("metric", BINARY + REGRESSION)
def test_it_is_the_number_that_scikit_learn_gives(metric: str) -> None:
    """Each metric is the one of its name."""
    assert metric_value(metric, LABELS, SCORES) == pytest.approx(OF_SKLEARN[metric](LABELS, SCORES), abs=1e-12)


@pytest.mark.parametrize("metric", BINARY + REGRESSION)
@pytest.mark.parametrize("unusable", [math.nan, math.inf, -math.inf])
def test_a_prediction_that_is_not_finite_has_no_metric(metric: str, unusable: float) -> None:
    """One NaN or infinity among the predictions makes the metric NaN, and no error."""
    assert math.isnan(metric_value(metric, LABELS, np.append(SCORES[:-1], unusable)))


@pytest.mark.parametrize("metric", BINARY + REGRESSION)
def test_an_unknown_label_has_no_metric(metric: str) -> None:
    """A label that is NaN makes the metric NaN, and no error."""
    assert math.isnan(metric_value(metric, np.append(LABELS[:-1], math.nan), SCORES))


@pytest.mark.parametrize("metric", BINARY + REGRESSION)
def test_no_rows_have_no_metric(metric: str) -> None:
    """An empty holdout has no metric, and no error."""
    assert math.isnan(metric_value(metric, np.array([]), np.array([])))


@pytest.mark.parametrize("metric", BINARY)
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_has_no_binary_metric(metric: str, label: float) -> None:
    """Where every label is the same, nothing is told apart."""
    assert math.isnan(metric_value(metric, np.full(6, label), SCORES))


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
@pytest.mark.parametrize("score", [-0.01, 1.01, 45.0])
def test_scores_beyond_0_and_1_are_no_probabilities(metric: str, score: float) -> None:
    """A baseline's raw feature has no log loss or Brier score."""
    assert math.isnan(metric_value(metric, LABELS, np.append(SCORES[:-1], score)))


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_a_ranking_takes_any_scale(metric: str) -> None:
    """A baseline's raw feature is ranked like a probability."""
    assert metric_value(metric, LABELS, SCORES * 1000 - 3) == metric_value(metric, LABELS, SCORES)


def test_equal_labels_have_no_r2() -> None:
    """There is no variance to explain where every label is the same."""
    assert math.isnan(metric_value("r2", np.full(6, 3.3), SCORES))
    assert metric_value("mae", np.full(6, 3.3), np.full(6, 3.0)) == pytest.approx(0.3)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_every_metric_of_a_task_is_measured(task: str) -> None:
    """All metrics of the task are there, each the same as alone."""
    found = all_metrics(task, LABELS, SCORES)

    assert found == {metric: metric_value(metric, LABELS, SCORES) for metric in METRICS[task]}


def test_an_undefined_metric_leaves_the_others() -> None:
    """Scores that are no probabilities still have their rankings."""
    found = all_metrics("binary", LABELS, SCORES * 10)

    assert [metric for metric, value in found.items() if math.isnan(value)] == ["log_loss", "brier"]
