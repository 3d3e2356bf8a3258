"""A metric equals scikit-learn's, or the formula of its paper, and is NaN where it is undefined."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from include.config.training import METRICS, Task, Training
from include.evaluation.metric_definitions import DEFINITIONS
from include.evaluation.metrics import Metric, all_metrics, why_undefined
from include.evaluation.probability_bins import bin_of_probability
from tests.unit.evaluation.compared import METRICS_UNDER_TEST, Rows, each_measure, named

BINARY = [measure for measure in METRICS_UNDER_TEST if measure.task == "binary"]
ROWS = {task: Rows(task, rows=200) for task in ("binary", "multiclass", "regression")}


def _calibration_error(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Return the expected calibration error bin by bin, as in the paper."""
    of_bin = np.digitize(y_pred, np.linspace(0, 1, 11)[1:-1])
    inside = [of_bin == each for each in range(10) if (of_bin == each).any()]
    return sum(rows.mean() * abs(y_true[rows].mean() - y_pred[rows].mean()) for rows in inside)


OF_SKLEARN = {
    ("binary", "roc_auc"): metrics.roc_auc_score,
    ("binary", "average_precision"): metrics.average_precision_score,
    ("binary", "log_loss"): metrics.log_loss,
    ("binary", "brier"): lambda y_true, y_pred: np.mean((y_true - y_pred) ** 2),
    ("binary", "calibration_error"): _calibration_error,
    ("binary", "f1"): lambda y_true, y_pred: metrics.f1_score(y_true, (y_pred >= 0.4).astype("float64")),
    ("multiclass", "log_loss"): metrics.log_loss,
    ("multiclass", "accuracy"): lambda y_true, y_pred: np.mean(y_true == y_pred.argmax(axis=1)),
    ("multiclass", "balanced_accuracy"): lambda y_true, y_pred: metrics.balanced_accuracy_score(
        y_true, y_pred.argmax(axis=1)
    ),
    ("multiclass", "f1_macro"): lambda y_true, y_pred: metrics.f1_score(y_true, y_pred.argmax(axis=1), average="macro"),
    ("multiclass", "roc_auc_ovr"): lambda y_true, y_pred: metrics.roc_auc_score(y_true, y_pred, multi_class="ovr"),
    ("regression", "mae"): metrics.mean_absolute_error,
    ("regression", "rmse"): lambda y_true, y_pred: math.sqrt(metrics.mean_squared_error(y_true, y_pred)),
    ("regression", "mape"): metrics.mean_absolute_percentage_error,
    ("regression", "wape"): lambda y_true, y_pred: (
        metrics.mean_absolute_error(y_true, y_pred) / np.mean(np.abs(y_true))
    ),
    ("regression", "r2"): metrics.r2_score,
    ("regression", "pinball"): lambda y_true, y_pred: metrics.mean_pinball_loss(y_true, y_pred, alpha=0.8),
}


@each_measure
@pytest.mark.parametrize("which", ["good", "worse"])
def test_it_is_the_number_of_its_name(measure: Metric, which: str) -> None:
    """Each metric is the one it is named for, at the given quantile and threshold."""
    rows = ROWS[measure.task]
    predicted = getattr(rows, which)

    expected = OF_SKLEARN[measure.task, measure.name](rows.y_true, predicted)

    assert measure.value(rows.y_true, predicted) == pytest.approx(expected, abs=1e-12)


@each_measure
def test_the_better_model_has_the_better_value(measure: Metric) -> None:
    """The sign of a metric says which of two models is better."""
    rows = ROWS[measure.task]

    good, worse = (measure.value(rows.y_true, predicted) for predicted in (rows.good, rows.worse))

    assert measure.sign * good > measure.sign * worse
    assert measure.higher_is_better is (measure.sign > 0)


@each_measure
@pytest.mark.parametrize("unusable", [math.nan, math.inf, -math.inf])
def test_a_prediction_that_is_not_finite_has_no_metric(measure: Metric, unusable: float) -> None:
    """One NaN or infinity among the predictions makes the metric NaN, and no error."""
    rows = ROWS[measure.task]
    predicted = rows.good.copy()
    predicted[17] = unusable

    assert math.isnan(measure.value(rows.y_true, predicted))


@each_measure
def test_an_unknown_label_has_no_metric(measure: Metric) -> None:
    """A label that is NaN makes the metric NaN, and no error."""
    rows = ROWS[measure.task]

    assert math.isnan(measure.value(np.append(rows.y_true[:-1], math.nan), rows.good))


@each_measure
def test_no_rows_have_no_metric(measure: Metric) -> None:
    """An empty holdout has no metric, and no error."""
    rows = ROWS[measure.task]

    assert math.isnan(measure.value(rows.y_true[:0], rows.good[:0]))


@each_measure
def test_predictions_of_single_precision_are_measured_like_double(measure: Metric) -> None:
    """A model that predicts in single precision has its metric, and nothing warns of its rounding."""
    rows = ROWS[measure.task]
    predicted = rows.good.astype("float32")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure.value(rows.y_true, predicted)

    assert found == pytest.approx(measure.value(rows.y_true, rows.good), rel=1e-3)


def test_certain_and_wrong_is_as_bad_in_single_precision() -> None:
    """A probability of exactly 0 is clipped by the precision of double, whichever the model predicts in."""
    y_true, predicted = np.array([0.0, 1.0]), np.array([0.0, 0.0])

    losses = [Metric("binary", "log_loss").value(y_true, predicted.astype(kind)) for kind in ("float32", "float64")]

    assert losses == pytest.approx([-math.log(np.finfo("float64").eps) / 2] * 2)


@each_measure
def test_labels_of_one_class_have_no_metric(measure: Metric) -> None:
    """Where every label is of one class, a metric of classes is NaN, without an error."""
    rows = ROWS[measure.task]
    classes = measure.task != "regression"

    found = measure.value(np.ones(200), rows.good)

    assert math.isnan(found) is (classes or measure.name == "r2")


@pytest.mark.parametrize("score", [-0.01, 1.01, 45.0])
def test_scores_outside_0_to_1_are_not_probabilities(score: float) -> None:
    """A baseline's raw feature can be ranked and cut at a threshold, but has no metric of probabilities."""
    rows = ROWS["binary"]
    predicted = np.append(rows.good[:-1], score)

    found = all_metrics(BINARY[0], rows.y_true, predicted)

    undefined = [metric for metric, value in found.items() if math.isnan(value)]
    assert undefined == ["log_loss", "brier", "calibration_error"]


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_a_ranking_takes_any_scale(metric: str) -> None:
    """A baseline's raw feature is ranked like a probability."""
    rows, measure = ROWS["binary"], named("binary", metric)

    assert measure.value(rows.y_true, rows.good * 1000 - 3) == measure.value(rows.y_true, rows.good)


def test_a_prediction_at_the_threshold_is_positive() -> None:
    """The threshold itself counts as positive, and the metric follows the threshold."""
    y_true, predicted = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.7, 0.3, 0.3, 0.1])

    found = [Metric("binary", "f1", threshold=each).value(y_true, predicted) for each in (0.1, 0.3, 0.31, 0.7, 0.71)]

    assert found == pytest.approx([2 / 3, 0.8, 2 / 3, 2 / 3, 0.0])


def test_a_bin_holds_its_lower_edge() -> None:
    """Tenths begin a bin, and 1 is in the last one."""
    probabilities = np.array([0.0, 0.05, 0.1, 0.3, 0.7, 0.9, 0.999, 1.0])

    assert bin_of_probability(probabilities).tolist() == [0, 0, 1, 3, 7, 9, 9, 9]


def test_the_calibration_error_of_an_example() -> None:
    """In the first bin 1 of 2 is positive instead of 5%; in the last bin all are instead of 95%."""
    y_true, predicted = np.array([0, 1, 1, 1.0]), np.array([0.05, 0.05, 0.95, 0.95])

    found = Metric("binary", "calibration_error").value(y_true, predicted)

    assert found == pytest.approx(0.5 * abs(0.5 - 0.05) + 0.5 * abs(1 - 0.95))


def test_the_pinball_loss_asks_for_the_quantile() -> None:
    """At 0.9 a value that is too low costs nine times what one too high does; at 0.5 half of the error."""
    y_true = np.array([10.0, 20.0])

    low, high, half = (
        Metric("forecasting", "pinball", quantile=quantile).value(y_true, y_true + error)
        for quantile, error in ((0.9, -1), (0.9, 1), (0.5, 1))
    )

    assert (low, high, half) == pytest.approx((0.9, 0.1, 0.5))


@pytest.mark.parametrize(
    ("metric", "labels"), [("mape", [3.0, 0.0, 1.0]), ("wape", [0.0, 0.0, 0.0]), ("r2", [3.3, 3.3, 3.3])]
)
def test_a_denominator_of_0_leaves_no_metric(metric: str, labels: list[float]) -> None:
    """A single 0 has no relative error, only zeros have no sum, and equal labels have no variance."""
    y_true = np.array(labels)

    assert math.isnan(Metric("regression", metric).value(y_true, y_true + 1))
    assert Metric("regression", "mae").value(y_true, y_true + 1) == pytest.approx(1)
    assert why_undefined(metric)


def test_a_zero_among_the_labels_has_its_share_of_the_sum() -> None:
    """There is a wape where there is no mape: the sum of errors over the sum of labels, whatever their sign."""
    y_true = np.array([3.0, 0.0, -1.0])

    assert Metric("regression", "wape").value(y_true, y_true + 1) == pytest.approx(3 / 4)


class TestAMissingClass:
    """A class without a label in the holdout."""

    y_true = np.array([0, 0, 1, 1.0])
    #: The third class is predicted once, wrongly.
    predicted = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [0.1, 0.7, 0.2]])

    def test_has_no_area_of_one_against_the_rest(self) -> None:
        """The mean over classes is not defined where one of them has no rows."""
        assert math.isnan(Metric("multiclass", "roc_auc_ovr").value(self.y_true, self.predicted))

    def test_does_not_count_in_a_mean_over_classes(self) -> None:
        """Recall and F1 are averaged over the classes that are there, and the wrong guess lowers the true one."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = all_metrics(Metric("multiclass", "accuracy"), self.y_true, self.predicted)

        assert found["accuracy"] == pytest.approx(3 / 4)
        assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
        assert found["f1_macro"] == pytest.approx((2 / 3 + 1) / 2)
        assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.8, 0.2, 0.8, 0.7])))

    def test_that_is_never_guessed_has_an_f1_of_0(self) -> None:
        """A class with labels that is never predicted counts as 0, without a warning."""
        always_first = np.tile([0.5, 0.3, 0.2], (4, 1))

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = Metric("multiclass", "f1_macro").value(self.y_true, always_first)

        assert found == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize("row", [[0.4, 0.4, 0.1], [-0.1, 0.6, 0.5], [0.9, 0.9, 0.9]])
def test_rows_that_are_not_probabilities_have_no_log_loss(row: list[float]) -> None:
    """Where probabilities do not sum to 1, or one is below 0, only log_loss is undefined."""
    predicted = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], row])

    found = all_metrics(Metric("multiclass", "accuracy"), np.array([0, 1, 2.0]), predicted)

    assert [metric for metric, value in found.items() if math.isnan(value)] == ["log_loss"]


@pytest.mark.parametrize("task", list(METRICS))
def test_the_names_in_the_config_are_those_of_the_definitions(task: Task) -> None:
    """pipeline.yaml accepts exactly the metrics that are defined, in the same order."""
    assert METRICS[task] == tuple(DEFINITIONS[task])


@each_measure
def test_the_best_constant_has_the_best_value_of_all_constants(measure: Metric) -> None:
    """No other constant prediction has a better value of the metric that is the loss."""
    rows, loss = ROWS[measure.task], measure.loss_metric

    best = measure.best_constant(rows.y_true, 4)

    def value(constant: float | np.ndarray) -> float:
        return loss.sign * loss.value(rows.y_true, np.broadcast_to(constant, np.shape(rows.good)))

    others = [best * factor for factor in (0.95, 1.05)]
    if measure.task == "multiclass":
        others = [other / other.sum() for other in np.eye(4) * 0.02 + best]
    assert all(value(best) >= value(other) for other in others)


@pytest.mark.parametrize("task", list(METRICS))
def test_every_metric_of_a_task_is_measured(task: str) -> None:
    """Every metric of the task is computed, each with the same value as alone."""
    rows = ROWS.get(task, ROWS["regression"])
    measure = Metric(task, next(iter(METRICS[task])), quantile=0.2, threshold=0.3)  # type: ignore[arg-type]

    found = all_metrics(measure, rows.y_true, rows.worse)

    assert list(found) == list(METRICS[task])
    alone = {name: replace(measure, name=name).value(rows.y_true, rows.worse) for name in METRICS[task]}
    assert found == alone
    assert all(math.isfinite(value) for value in found.values())


def test_the_metric_of_a_pipeline_is_that_of_its_config() -> None:
    """Task, metric and quantile come from the section training; the threshold is an argument."""
    training = Training.model_validate({"task": "regression", "metric": "pinball", "quantile": 0.9})
    binary = Training.model_validate({"task": "binary", "metric": "f1"})

    assert Metric.of(training) == Metric("regression", "pinball", quantile=0.9)
    assert Metric.of(binary, 0.31) == Metric("binary", "f1", threshold=0.31)


def test_every_metric_is_documented_with_its_direction() -> None:
    """docs/explanation/gate.md has one row for each metric of each task, and says which side is better."""
    page = (Path(__file__).parents[3] / "docs" / "explanation" / "gate.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" `") for cell in line.split("|")[1:4]] for line in page.splitlines()]

    for measure in METRICS_UNDER_TEST:
        assert [measure.task, measure.name, "higher" if measure.higher_is_better else "lower"] in rows
