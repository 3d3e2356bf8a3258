"""Each line of the monitor: what is an alert, what is none, and what cannot be said."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from include.config.monitoring import Monitoring
from include.config.pipeline import Gate
from include.evaluation.metrics import Metric
from include.evaluation.reference import Reference, make_reference
from include.workflows.monitor.lines import (
    HoldoutMetric,
    Line,
    feature_lines,
    mended_by_retraining,
    metric_lines,
    noise_of_both,
    prediction_lines,
    volume_line,
    without_reference,
)

LIMITS = Monitoring()
MAE, AUC = Metric("regression", "mae"), Metric("binary", "roc_auc")


def rows(days: int = 100, seed: int = 1, visitors: float = 100.0, nulls: float = 0.05) -> pd.DataFrame:
    """Return features of some days, 50 rows each."""
    draw = np.random.default_rng(seed)
    number = days * 50
    counted = draw.normal(visitors, 10, number)
    return pd.DataFrame(
        {
            "visitors": np.where(draw.random(number) < nulls, np.nan, counted),
            "store": draw.choice(["north", "south"], number),
            "season": np.repeat(np.arange(days) % 10, 50) + draw.random(number),
        }
    )


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Return what was learned from."""
    learned = rows()
    days = np.repeat(np.arange(100), 50)
    held = pd.DataFrame({"prediction": np.random.default_rng(5).normal(100, 10, 1400)})
    return make_reference(learned, held, (days, days[:1400]), window_days=7, min_rows=200)


def states(lines: list[Line]) -> dict[str, str]:
    """Return each line's state by its kind and name."""
    return {f"{line.kind} {line.name}": line.state for line in lines}


def test_a_week_like_all_others_is_ok(reference: Reference) -> None:
    """No seeded drift, no alert: neither of what is steady nor of what has its seasons."""
    lines = feature_lines(rows(7, seed=2), reference, LIMITS)

    assert set(states(lines).values()) == {"ok"}
    assert len(lines) == 6
    assert next(line for line in lines if line.name == "season").limit > LIMITS.max_feature_shift


def test_a_seeded_drift_of_one_feature_is_the_only_alert(reference: Reference) -> None:
    """The sentence tells what has changed, and the value is beyond the limit."""
    lines = feature_lines(rows(7, seed=2, visitors=115), reference, LIMITS)

    [alert] = [line for line in lines if line.state == "alert"]
    assert (alert.kind, alert.name, alert.limit) == ("feature_shift", "visitors", 0.25)
    assert alert.value is not None
    assert alert.value > 0.25
    assert "the median is 114.5 and was 99.82" in alert.sentence


def test_more_nulls_than_there_were_are_an_alert_and_fewer_are_none(reference: Reference) -> None:
    """A tenth more is allowed; values that come back are no harm."""
    more = states(feature_lines(rows(7, seed=2, nulls=0.25), reference, LIMITS))
    fewer = states(feature_lines(rows(7, seed=2, nulls=0.0), reference, LIMITS))

    assert more["nulls visitors"] == "alert"
    assert more["feature_shift visitors"] == "ok"
    assert fewer["nulls visitors"] == "ok"


def test_too_few_rows_say_nothing(reference: Reference) -> None:
    """Of fewer than min_rows each line is unknown, and says how many there are."""
    lines = feature_lines(rows(3, seed=2, visitors=200), reference, LIMITS)
    lines += prediction_lines(pd.DataFrame({"prediction": [0.0] * 199}), reference, LIMITS)

    assert set(states(lines).values()) == {"unknown"}
    assert "150 rows, fewer than monitoring.min_rows (200)" in lines[-2].sentence
    assert "199 rows with a value" in lines[-1].sentence


def test_a_feature_that_is_gone_or_of_another_kind_is_an_alert(reference: Reference) -> None:
    """The champion cannot take it; a column without any value has no kind."""
    now = rows(7, seed=2).drop(columns="season").assign(visitors="many", store=np.nan)

    found = states(feature_lines(now, reference, LIMITS))

    assert found == {
        "feature_shift visitors": "alert",
        "feature_shift store": "unknown",
        "nulls store": "alert",
        "feature_shift season": "alert",
    }


def test_predictions_that_moved_are_an_alert_and_another_draw_is_not(reference: Reference) -> None:
    """They are held against those of the holdout."""
    draw = np.random.default_rng(9)

    [moved] = prediction_lines(pd.DataFrame({"prediction": draw.normal(115, 10, 350)}), reference, LIMITS)
    [same] = prediction_lines(pd.DataFrame({"prediction": draw.normal(100, 10, 350)}), reference, LIMITS)

    assert (moved.state, same.state) == ("alert", "ok")


def test_a_class_that_nothing_predicted_is_unknown(reference: Reference) -> None:
    """Another task's predictions are not compared."""
    [line] = prediction_lines(pd.DataFrame({"probability_late": [0.5] * 300}), reference, LIMITS)

    assert line.state == "unknown"


def judged(
    wrong: float, holdout: HoldoutMetric | None, minimum: float = 50.0, days: int = 7, number: int = 50
) -> list[Line]:
    """Return the lines of values that are predicted with an error of some size."""
    draw = np.random.default_rng(3)
    y_true = draw.normal(100, 20, days * number)
    y_pred = y_true + draw.normal(0, wrong * np.sqrt(np.pi / 2), len(y_true))  # whose mean size is `wrong`
    day = np.repeat([f"2024-03-{number + 1:02}" for number in range(days)], number)
    gate = Gate(minimum=minimum, bootstrap_rounds=200)
    return metric_lines(MAE, y_true, y_pred, day, holdout=holdout, gate=gate, min_rows=200, seed=7)


def test_a_metric_that_has_dropped_is_an_alert_and_noise_is_none() -> None:
    """Beside the holdout twice the error is more than noise; a twentieth more is not."""
    holdout = HoldoutMetric("mae", 5.0, 4.7, 5.3)

    assert [line.state for line in judged(10.0, holdout)] == ["ok", "alert"]
    assert [line.state for line in judged(5.25, holdout)] == ["ok", "ok"]
    assert [line.state for line in judged(2.0, holdout)] == ["ok", "ok"]  # better is no harm


def test_a_metric_worse_than_the_gates_minimum_is_an_alert() -> None:
    """No model of this quality would be promoted."""
    lines = judged(10.0, None, minimum=8.0)

    assert lines[0].state == "alert"
    assert lines[0].limit == 8.0


@pytest.mark.parametrize(
    ("holdout", "days", "told"),
    [
        (None, 7, "no record of the champion has its mae"),
        (HoldoutMetric("rmse", 5.0), 7, "has its rmse, and training.metric is mae now"),
        (HoldoutMetric("mae", 5.0), 2, "the labels of 2 days are known, and of fewer than 3"),
    ],
    ids=["no record", "another metric", "too few days"],
)
def test_what_cannot_be_held_against_the_holdout_is_unknown(
    holdout: HoldoutMetric | None, days: int, told: str
) -> None:
    """The minimum is judged all the same."""
    of_minimum, of_holdout = judged(5.0, holdout, days=days, number=150)

    assert of_minimum.state == "ok"
    assert of_holdout.state == "unknown"
    assert told in of_holdout.sentence


def test_too_few_labels_or_one_class_only_leave_the_metric_unknown() -> None:
    """Neither is an alert, nor a crash."""
    assert [line.state for line in judged(99.0, None, days=3)] == ["unknown", "unknown"]
    ones, days = np.ones(300), np.repeat(["2024-03-01"], 300)
    gate = Gate(minimum=0.5)

    lines = metric_lines(AUC, ones, ones / 2, days, holdout=None, gate=gate, min_rows=200, seed=7)

    assert [line.state for line in lines] == ["unknown", "unknown"]
    assert "roc_auc is not defined on these rows" in lines[0].sentence


def test_where_more_is_better_less_is_the_alert() -> None:
    """The limit is below the holdout, and guessing is below the limit."""
    draw = np.random.default_rng(3)
    y_true = (draw.random(1400) < 0.4).astype("float64")
    days = np.repeat(np.arange(7), 200)
    holdout = HoldoutMetric("roc_auc", 0.8, 0.78, 0.82)
    gate = Gate(minimum=0.45, bootstrap_rounds=200)

    def found(y_pred: np.ndarray) -> Line:
        return metric_lines(AUC, y_true, y_pred, days, holdout=holdout, gate=gate, min_rows=200, seed=7)[1]

    guessed, known = found(draw.random(1400)), found(np.clip(y_true * 0.25 + draw.random(1400) * 0.6, 0, 1))

    assert (guessed.state, known.state) == ("alert", "ok")
    assert guessed.limit is not None
    assert guessed.limit < 0.8


def test_the_noise_of_both_adds_up_as_squares() -> None:
    """Of the two intervals the ends count that face each other; a holdout without one is exact."""
    assert noise_of_both(1.0, 0.6, (0.5, 0.64), HoldoutMetric("m", 0.8, 0.77, 0.9)) == pytest.approx(0.05)
    assert noise_of_both(-1.0, 6.0, (5.6, 9.0), HoldoutMetric("m", 5.0, 2.0, 5.3)) == pytest.approx(0.5)
    assert noise_of_both(-1.0, 6.0, (5.6, 9.0), HoldoutMetric("m", 5.0)) == pytest.approx(0.4)


def test_a_row_without_its_prediction_is_an_alert() -> None:
    """One is enough, whatever min_rows says, and the sentence names the days to score again."""
    alert = volume_line(5, ["2024-03-01", "2024-03-02"], "shop.score", predicts=True)

    assert (alert.state, alert.value, alert.rows) == ("alert", pytest.approx(0.6), 5)
    assert "2 of the 5 rows" in alert.sentence
    assert "run shop.score as of each of these days: 2024-03-01, 2024-03-02" in alert.sentence
    assert volume_line(5, [], "shop.score", predicts=True).state == "ok"


def test_where_nothing_is_asked_or_nothing_was_ever_predicted_the_volume_is_unknown() -> None:
    """Either says what to do."""
    assert "sources" in volume_line(0, [], "shop.score", predicts=True).sentence
    found = volume_line(1, ["2024-03-01"], "shop.score", predicts=False)
    assert (found.state, found.sentence) == ("unknown", "nothing was predicted yet; run shop.score")


def test_a_champion_without_a_reference_says_to_retrain() -> None:
    """One line a kind, and none is an alert."""
    lines = without_reference(3)

    assert states(lines) == {"prediction_shift all": "unknown", "feature_shift all": "unknown", "nulls all": "unknown"}
    assert "version 3" in lines[0].sentence
    assert "retrain once" in lines[0].sentence
    assert not any(line.value is not None and math.isnan(line.value) for line in lines)


def test_a_retraining_is_asked_for_where_the_world_has_changed() -> None:
    """Missing predictions and missing values are mended otherwise."""
    alerts = [
        {"kind": kind, "name": "x"} for kind in ("volume", "metric", "prediction_shift", "feature_shift", "nulls")
    ]

    assert mended_by_retraining(alerts) == ["metric x", "prediction_shift x", "feature_shift x"]
    assert mended_by_retraining([alerts[0], alerts[-1]]) == []
