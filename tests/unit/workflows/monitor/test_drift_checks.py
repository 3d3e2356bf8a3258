"""Drift of features and predictions is an alert; usual variability and too few rows are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from include.config.monitoring import Monitoring
from include.evaluation.reference import Reference, day_numbers, make_reference
from include.workflows.monitor.drift_checks import feature_drift, null_shares, prediction_drift

if TYPE_CHECKING:
    from include.workflows.monitor.check import MonitoringResult

LIMITS = Monitoring()


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
    """Return the reference of 100 days."""
    learned = rows()
    days = np.repeat(np.arange(100), 50)
    held = pd.DataFrame({"prediction": np.random.default_rng(5).normal(100, 10, 1400)})
    return make_reference(learned, held, (days, days[:1400]), window_days=7, min_rows=200)


def judged(now: pd.DataFrame, reference: Reference) -> list[MonitoringResult]:
    """Return the results of the features of some days."""
    return feature_drift(now, reference, LIMITS) + null_shares(now, reference, LIMITS)


def states(results: list[MonitoringResult]) -> dict[str, str]:
    """Return each result's state by its kind and name."""
    return {f"{result.kind} {result.name}": result.state for result in results}


def test_a_week_like_all_others_is_ok(reference: Reference) -> None:
    """Without a seeded drift there is no alert, neither for a steady feature nor for a seasonal one."""
    results = judged(rows(7, seed=2), reference)

    assert set(states(results).values()) == {"ok"}
    assert len(results) == 6
    assert next(result for result in results if result.name == "season").limit > LIMITS.max_feature_shift


def test_a_seeded_drift_of_one_feature_is_the_only_alert(reference: Reference) -> None:
    """The sentence names the change, and the value is beyond the limit."""
    results = judged(rows(7, seed=2, visitors=115), reference)

    [alert] = [result for result in results if result.state == "alert"]
    assert (alert.kind, alert.name, alert.limit) == ("feature_shift", "visitors", 0.25)
    assert alert.value is not None
    assert alert.value > 0.25
    assert "the median is 114.5 and was 99.82" in alert.sentence


def test_the_sentence_states_the_limit_that_was_applied(reference: Reference) -> None:
    """A feature that always varied has a higher limit, and its sentence does not say that the configured one holds."""
    results = {result.name: result for result in feature_drift(rows(7, seed=2), reference, LIMITS)}

    assert results["season"].limit == pytest.approx(reference.features["season"].usual_shift)
    assert f"; the limit is {results['season'].limit:.2f}, the variability of the ref" in results["season"].sentence
    assert results["visitors"].sentence.endswith("; the limit is 0.25")


def test_a_calendar_feature_is_left_out_with_its_reason(reference: Reference) -> None:
    """November is no drift of the month. A feature that is gone is an alert all the same."""
    november = rows(7, seed=2).assign(season=100.0)

    assert states(feature_drift(november, reference, LIMITS))["feature_shift season"] == "alert"
    results = {result.name: result for result in feature_drift(november, reference, LIMITS, {"season"})}
    assert (results["season"].state, results["season"].limit) == ("not applicable", None)
    assert "computed from prediction_time alone" in results["season"].sentence
    assert results["visitors"].state == "ok"
    gone = feature_drift(november.drop(columns="season"), reference, LIMITS, {"season"})
    assert states(gone)["feature_shift season"] == "alert"


def weather(first: str, days: int, seed: int, warmer: float = 0.0) -> pd.DataFrame:
    """Return the temperature of some days, 50 rows each, which follows the season."""
    times = pd.date_range(first, periods=days, freq="D").repeat(50)
    yearly = -np.cos(2 * np.pi * times.day_of_year.to_numpy() / 365)
    noise = np.random.default_rng(seed).normal(0, 3, len(times))
    return pd.DataFrame({"temperature": 12 + 12 * yearly + noise + warmer, "prediction_time": times})


def test_a_seasonal_feature_is_compared_with_the_same_months() -> None:
    """A July like last July is ok, and one like last April is an alert, although April was part of the reference."""
    learned = weather("2023-01-01", 365, seed=1)
    days = day_numbers(learned["prediction_time"])
    held = pd.DataFrame({"prediction": np.zeros(len(learned))})
    reference = make_reference(learned[["temperature"]], held, (days, days), window_days=7, min_rows=200)

    [same] = feature_drift(weather("2024-07-10", 7, seed=2), reference, LIMITS)
    [colder] = feature_drift(weather("2024-07-10", 7, seed=2, warmer=-12), reference, LIMITS)

    assert (same.state, colder.state) == ("ok", "alert")
    assert same.limit is not None
    assert same.limit < reference.features["temperature"].usual_shift / 2
    assert "compared with the same months of the reference" in same.sentence
    assert "; ;" not in colder.sentence


def test_half_a_year_has_no_same_months() -> None:
    """The feature is compared with all of the reference, whose variability is the limit."""
    learned = weather("2023-07-01", 180, seed=1)
    days = day_numbers(learned["prediction_time"])
    held = pd.DataFrame({"prediction": np.zeros(len(learned))})
    reference = make_reference(learned[["temperature"]], held, (days, days), window_days=7, min_rows=200)

    [result] = feature_drift(weather("2023-12-20", 7, seed=2), reference, LIMITS)

    assert result.limit == pytest.approx(reference.features["temperature"].usual_shift)
    assert "the variability of the reference, which" in result.sentence


def test_more_nulls_than_there_were_are_an_alert_and_fewer_are_none(reference: Reference) -> None:
    """A tenth more is allowed; fewer nulls are fine."""
    more = states(judged(rows(7, seed=2, nulls=0.25), reference))
    fewer = states(judged(rows(7, seed=2, nulls=0.0), reference))

    assert more["nulls visitors"] == "alert"
    assert more["feature_shift visitors"] == "ok"
    assert fewer["nulls visitors"] == "ok"


def test_too_few_rows_are_unknown(reference: Reference) -> None:
    """With fewer than min_rows rows each result is unknown, and its sentence has the number of rows."""
    results = judged(rows(3, seed=2, visitors=200), reference)
    results += prediction_drift(pd.DataFrame({"prediction": [0.0] * 199}), reference, LIMITS)

    assert set(states(results).values()) == {"unknown"}
    assert "needs 200 rows (monitoring.min_rows); there are 150" in results[-2].sentence
    assert "needs 200 rows with a value (monitoring.min_rows); there are 199" in results[-1].sentence


def test_a_missing_feature_or_one_of_another_type_is_an_alert(reference: Reference) -> None:
    """The champion cannot take it; a column of nulls has no type."""
    now = rows(7, seed=2).drop(columns="season").assign(visitors="many", store=np.nan)

    found = states(judged(now, reference))

    assert found == {
        "feature_shift visitors": "alert",
        "feature_shift store": "unknown",
        "nulls store": "alert",
        "feature_shift season": "alert",
    }


def test_drifted_predictions_are_an_alert_and_another_sample_is_not(reference: Reference) -> None:
    """They are compared to the predictions of the holdout."""
    draw = np.random.default_rng(9)

    [moved] = prediction_drift(pd.DataFrame({"prediction": draw.normal(115, 10, 350)}), reference, LIMITS)
    [same] = prediction_drift(pd.DataFrame({"prediction": draw.normal(100, 10, 350)}), reference, LIMITS)

    assert (moved.state, same.state) == ("alert", "ok")


def test_a_class_that_nothing_predicted_is_unknown(reference: Reference) -> None:
    """Another task's predictions are not compared."""
    [result] = prediction_drift(pd.DataFrame({"probability_late": [0.5] * 300}), reference, LIMITS)

    assert result.state == "unknown"
