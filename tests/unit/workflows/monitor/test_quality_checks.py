"""Missing predictions and a worse metric are alerts; noise and too few labels are none."""

from __future__ import annotations

import numpy as np
import pytest

from include.config.gate import Gate
from include.evaluation.metrics import Metric
from include.workflows.monitor.check import HoldoutMetric, LabelledPredictions, MonitoringResult
from include.workflows.monitor.quality_checks import metric_results, noise_of_both, volume_result

MAE, AUC = Metric("regression", "mae"), Metric("binary", "roc_auc")


def judged(
    wrong: float, holdout: HoldoutMetric | None, minimum: float = 50.0, days: int = 7, number: int = 50
) -> list[MonitoringResult]:
    """Return the results for values that are predicted with an error of some size."""
    draw = np.random.default_rng(3)
    y_true = draw.normal(100, 20, days * number)
    y_pred = y_true + draw.normal(0, wrong * np.sqrt(np.pi / 2), len(y_true))  # whose mean size is `wrong`
    day = np.repeat([f"2024-03-{number + 1:02}" for number in range(days)], number)
    gate = Gate(minimum=minimum, bootstrap_rounds=200)
    labelled = LabelledPredictions(y_true, y_pred, day)
    return metric_results(MAE, labelled, holdout=holdout, gate=gate, min_rows=200, seed=7)


def test_a_metric_that_has_dropped_is_an_alert_and_noise_is_none() -> None:
    """Twice the error of the holdout is more than noise; a twentieth more is not."""
    holdout = HoldoutMetric("mae", 5.0, 4.7, 5.3)

    assert [result.state for result in judged(10.0, holdout)] == ["ok", "alert"]
    assert [result.state for result in judged(5.25, holdout)] == ["ok", "ok"]
    assert [result.state for result in judged(2.0, holdout)] == ["ok", "ok"]  # better is no harm


def test_a_metric_worse_than_the_gates_minimum_is_an_alert() -> None:
    """No model of this quality would be promoted."""
    results = judged(10.0, None, minimum=8.0)

    assert results[0].state == "alert"
    assert results[0].limit == 8.0


@pytest.mark.parametrize(
    ("holdout", "days", "told"),
    [
        (None, 7, "no record has the champion's mae"),
        (HoldoutMetric("rmse", 5.0), 7, "has rmse, and training.metric is mae"),
        (HoldoutMetric("mae", 5.0), 2, "needs labels of 3 days to estimate noise; there are 2"),
    ],
    ids=["no record", "another metric", "too few days"],
)
def test_a_metric_that_cannot_be_compared_to_the_holdout_is_unknown(
    holdout: HoldoutMetric | None, days: int, told: str
) -> None:
    """The comparison to the minimum still counts."""
    of_minimum, of_holdout = judged(5.0, holdout, days=days, number=150)

    assert of_minimum.state == "ok"
    assert of_holdout.state == "unknown"
    assert told in of_holdout.sentence


def test_too_few_labels_or_one_class_only_leave_the_metric_unknown() -> None:
    """Neither is an alert, nor a crash."""
    assert [result.state for result in judged(99.0, None, days=3)] == ["unknown", "unknown"]
    ones, days = np.ones(300), np.repeat(["2024-03-01"], 300)
    gate = Gate(minimum=0.5)

    labelled = LabelledPredictions(ones, ones / 2, days)
    results = metric_results(AUC, labelled, holdout=None, gate=gate, min_rows=200, seed=7)

    assert [result.state for result in results] == ["unknown", "unknown"]
    assert "roc_auc is not defined on these rows" in results[0].sentence


def test_where_more_is_better_less_is_the_alert() -> None:
    """The limit is below the holdout, and guessing is below the limit."""
    draw = np.random.default_rng(3)
    y_true = (draw.random(1400) < 0.4).astype("float64")
    days = np.repeat(np.arange(7), 200)
    holdout = HoldoutMetric("roc_auc", 0.8, 0.78, 0.82)
    gate = Gate(minimum=0.45, bootstrap_rounds=200)

    def found(y_pred: np.ndarray) -> MonitoringResult:
        labelled = LabelledPredictions(y_true, y_pred, days)
        return metric_results(AUC, labelled, holdout=holdout, gate=gate, min_rows=200, seed=7)[1]

    guessed, known = found(draw.random(1400)), found(np.clip(y_true * 0.25 + draw.random(1400) * 0.6, 0, 1))

    assert (guessed.state, known.state) == ("alert", "ok")
    assert guessed.limit is not None
    assert guessed.limit < 0.8


def test_the_noise_of_both_adds_up_as_squares() -> None:
    """The ends of the intervals that face each other count; a holdout without an interval is exact."""
    assert noise_of_both(1.0, 0.6, (0.5, 0.64), HoldoutMetric("m", 0.8, 0.77, 0.9)) == pytest.approx(0.05)
    assert noise_of_both(-1.0, 6.0, (5.6, 9.0), HoldoutMetric("m", 5.0, 2.0, 5.3)) == pytest.approx(0.5)
    assert noise_of_both(-1.0, 6.0, (5.6, 9.0), HoldoutMetric("m", 5.0)) == pytest.approx(0.4)


def test_a_row_without_its_prediction_is_an_alert() -> None:
    """One row is enough, whatever min_rows is, and the sentence names the days to score again."""
    alert = volume_result(5, ["2024-03-01", "2024-03-02"], "shop.score")

    assert (alert.state, alert.value, alert.rows) == ("alert", pytest.approx(0.6), 5)
    assert "2 of 5 rows" in alert.sentence
    assert "run shop.score as of each of these days: 2024-03-01, 2024-03-02" in alert.sentence
    assert volume_result(5, [], "shop.score").state == "ok"


def test_no_rows_are_an_alert_and_no_predictions_at_all_are_unknown() -> None:
    """Both sentences name the remedy."""
    assert "sources" in volume_result(0, [], "shop.score").sentence
    found = volume_result(1, None, "shop.score")
    assert (found.state, found.sentence) == ("unknown", "nothing has been predicted yet; run shop.score")
