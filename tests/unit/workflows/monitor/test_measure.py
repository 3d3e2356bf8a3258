"""Rows, predictions and labels are joined by key and time."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.as_of import end_of
from include.core.errors import ScoringImpossible
from include.evaluation.reference import make_reference
from include.features import prediction_runs
from include.registry.champion import Champion
from include.registry.records.chain import append
from include.registry.records.files import record_file
from include.workflows.monitor import measure
from include.workflows.monitor.checks import judge_days
from include.workflows.monitor.measure import holdout_metric, measure_days
from include.workflows.monitor.plan import MonitoringPlan
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline
    from include.workflows.monitor.check import MonitoringResult

CLASSES = ["early", "late"]
SEVERAL = (
    factories.SHOP_YAML.replace("task: regression", "task: multiclass")
    .replace("metric: mae", "metric: accuracy")
    .replace("minimum: 50", "minimum: 0.5")
)


def plan(predictions: int | None = None) -> MonitoringPlan:
    """Return a plan as of 20 March."""
    champion = Champion(
        3, "night", "linear", "0" * 64, "models:/m-1", date(2024, 3, 1), date(2023, 3, 1), date(2024, 2, 1)
    )
    return MonitoringPlan("shop", "night", date(2024, 3, 20), {"sales": 3}, champion, predictions, 1)


def asked(hour: int, seed: int = 1) -> pd.DataFrame:
    """Return 50 rows of each day from 12 to 20 March, asked at an hour, and what came of them."""
    times = pd.date_range("2024-03-12", "2024-03-20", freq="D").repeat(50) + pd.Timedelta(hours=hour)
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "store_day": [f"row-{number}" for number in range(len(times))],
            "prediction_time": times,
            "revenue": draw.choice(CLASSES, len(times)),
            "visitors": draw.normal(100, 10, len(times)),
        }
    )


def predict(rows: pd.DataFrame, wrong: float, model_version: int = 3) -> int:
    """Publish what a version predicted of each row, some of it wrong, and return the version of the table."""
    draw = np.random.default_rng(2)
    late = (rows["revenue"] == "late").to_numpy() ^ (draw.random(len(rows)) < wrong)
    days = (rows["prediction_time"] - timedelta(microseconds=1)).dt.strftime("%Y-%m-%d")
    table = pd.DataFrame(
        {
            "store_day": rows["store_day"],
            "prediction_time": rows["prediction_time"],
            "prediction": 0.9,
            "probability_early": np.where(late, 0.1, 0.9),
            "probability_late": np.where(late, 0.9, 0.1),
            "model_version": model_version,
        }
    )
    uri = lake.predictions_uri("shop")
    for moment, day in enumerate(sorted(set(days))):
        part = pa.Table.from_pandas(table[days == day], preserve_index=False)
        lake.publish_predictions(uri, day, part, f"{moment + 1:016x}", {}, moment=moment + 1)
    version = lake.latest_version(uri)
    assert version is not None
    return version


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Return the shop as a task of several classes, with a record and a reference of its champion."""
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(tmp_path / "pipelines"))
    factories.write_shop(tmp_path / "pipelines", pipeline=SEVERAL)
    metric = {"name": "accuracy", "value": 0.9, "low": 0.87, "high": 0.92}
    content = {"challenger_version": 3, "metric": metric}
    append("shop", "retrain", "retrain night", by="shop.retrain", content=content, now=datetime.now(UTC))
    days = np.repeat(np.arange(40), 50)
    learned = pd.DataFrame({"visitors": np.random.default_rng(4).normal(100, 10, len(days))})
    late = np.where(np.random.default_rng(5).random(len(days)) < 0.5, 0.9, 0.1)
    held = pd.DataFrame({"probability_early": 1 - late, "probability_late": late})
    reference = make_reference(learned, held, (days, days), window_days=7, min_rows=200, classes=CLASSES)
    content_of = json.dumps(reference.to_json()).encode()
    monkeypatch.setattr(measure, "read_extra_file", lambda champion, name: content_of)
    return load_pipeline("shop")


def found(
    pipeline: Pipeline, rows: pd.DataFrame, version: int | None, monkeypatch: pytest.MonkeyPatch
) -> list[MonitoringResult]:
    """Return the results where the feature query returns these rows."""
    table = pa.Table.from_pandas(rows, preserve_index=False)

    def compute_rows(
        pipeline: Pipeline, snapshot: dict[str, int], as_of: date, since: datetime, known_at: datetime | None = None
    ) -> pa.Table:
        time = pc.field("prediction_time")
        return table.filter((time >= since) & (time <= end_of(as_of)))

    for module in (measure, prediction_runs):
        monkeypatch.setattr(module, "compute_rows", compute_rows)
    return judge_days(measure_days(pipeline, plan(version)))


def of_kind(results: list[MonitoringResult], kind: str) -> dict[str, Any]:
    """Return the results of a kind by their names."""
    return {result.name: result for result in results if result.kind == kind}


@pytest.mark.parametrize("hour", [0, 9], ids=["at midnight", "at nine"])
def test_multiclass_predictions_are_compared_to_labels_by_day(
    several: Pipeline, monkeypatch: pytest.MonkeyPatch, hour: int
) -> None:
    """A row of midnight was predicted as of the day before; its label counts for its own day either way."""
    rows = asked(hour)
    results = found(several, rows, predict(rows, wrong=0.1), monkeypatch)

    metrics = of_kind(results, "metric")
    assert {name: (result.state, result.rows) for name, result in metrics.items()} == {
        "accuracy": ("ok", 350),  # 13 to 19 March: of the 20th, labels are known in part at most
        "accuracy beside the holdout": ("ok", 350),
    }
    assert metrics["accuracy"].value == pytest.approx(0.9, abs=0.04)
    assert set(of_kind(results, "prediction_shift")) == {"probability_early", "probability_late"}
    # those of 14 March at midnight are of the run of the 13th, and none of the 21st are there
    assert of_kind(results, "volume")["predictions"].rows == (300 if hour == 0 else 350)
    assert {result.state for result in results} == {"ok"}


def test_a_metric_that_dropped_is_found_through_the_table(several: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third is wrong where a tenth was."""
    rows = asked(9)
    results = found(several, rows, predict(rows, wrong=0.33), monkeypatch)

    assert of_kind(results, "metric")["accuracy"].state == "ok"
    assert of_kind(results, "metric")["accuracy beside the holdout"].state == "alert"


def test_predictions_of_an_earlier_champion_are_not_counted(several: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row has a prediction, but the new champion has made too few yet."""
    rows = asked(9)
    results = found(several, rows, predict(rows, wrong=0.5, model_version=2), monkeypatch)

    assert of_kind(results, "volume")["predictions"].state == "ok"
    assert {result.state for result in results if result.kind in ("metric", "prediction_shift")} == {"unknown"}


def test_another_key_than_in_the_predictions_is_an_error(several: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to do with the table."""
    rows = asked(9)
    version = predict(rows, wrong=0.1)
    features = several.features.model_copy(update={"key": ["visitors"]})

    with pytest.raises(ScoringImpossible, match=r"has no column visitors, .* move .*shop/predictions to another place"):
        found(several.model_copy(update={"features": features}), rows, version, monkeypatch)


def test_labels_of_a_new_class_are_left_out_and_logged(
    several: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The champion could not have predicted the class; the other labels count."""
    rows = asked(9)
    version = predict(rows, wrong=0.1)
    rows.loc[rows["prediction_time"].dt.day == 15, "revenue"] = "cancelled"

    results = found(several, rows, version, monkeypatch)

    assert of_kind(results, "metric")["accuracy"].rows == 300
    assert "leaves out 50 of 350 labels, whose classes the champion does not know" in caplog.text


def test_without_predictions_the_features_are_still_judged(several: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks of predictions are unknown."""
    results = found(several, asked(9), None, monkeypatch)

    states = {(result.kind, result.state) for result in results}
    assert states == {
        ("volume", "unknown"),
        ("feature_shift", "ok"),
        ("nulls", "ok"),
        ("prediction_shift", "unknown"),
        ("metric", "unknown"),
    }


def test_a_query_without_rows_is_no_crash(several: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing rows are an alert, and every other check is unknown."""
    rows = asked(9)
    version = predict(rows, wrong=0.1)

    results = found(several, rows.iloc[:0], version, monkeypatch)

    assert of_kind(results, "volume")["predictions"].state == "alert"
    assert {result.state for result in results if result.kind not in ("prediction_shift", "volume")} == {"unknown"}


def test_a_reference_that_cannot_be_read_counts_as_none(
    several: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file of another release fails no run."""
    monkeypatch.setattr(measure, "read_extra_file", lambda champion, name: b'{"features": 5}')
    rows = asked(9)

    results = found(several, rows, predict(rows, wrong=0.1), monkeypatch)

    assert of_kind(results, "feature_shift")["all"].state == "unknown"
    assert of_kind(results, "metric")["all"].state == "unknown"  # the classes are not known either
    assert "cannot be read by this release" in caplog.text


def test_a_version_without_a_record_has_no_metric_of_its_holdout(several: Pipeline) -> None:
    """Its run may have been killed before it was recorded."""
    assert holdout_metric("shop", 4) is None
    known = holdout_metric("shop", 3)
    assert known is not None
    assert (known.name, known.value, known.low, known.high) == ("accuracy", 0.9, 0.87, 0.92)


def test_a_record_that_cannot_be_read_leaves_the_holdout_unknown(
    several: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """The other checks go on."""
    record_file("shop", 1).write_text("{")

    assert holdout_metric("shop", 3) is None
    assert "the metric on the holdout is unknown, because a record cannot be read" in caplog.text


def test_missing_labels_leave_the_metric_unknown(several: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels of three of seven days are missing; the known ones need not be representative."""
    rows = asked(9)
    version = predict(rows, wrong=0.6)
    rows.loc[rows["prediction_time"] >= "2024-03-17", "revenue"] = None
    assert {result.state for result in of_kind(found(several, rows, version, monkeypatch), "metric").values()} == {
        "alert"
    }

    evidence = {"labels": {"all": {"usual": 0.99}}}
    content = {"challenger_version": 3, "metric": {"name": "accuracy", "value": 0.9}, "evidence": evidence}
    append("shop", "retrain", "retrain again", by="shop.retrain", content=content, now=datetime.now(UTC))
    results = of_kind(found(several, rows, version, monkeypatch), "metric")

    assert {result.state for result in results.values()} == {"unknown"}
    assert results["accuracy"].sentence == (
        "42% of the expected labels are missing (gate.max_missing_labels allows 10%): 200 of 350 predicted rows have "
        "one; see why the labels do not arrive"
    )
