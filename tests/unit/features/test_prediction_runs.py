"""Every row is visible to all runs that can have it, and exactly one of them predicts it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from include.config.loader import load_pipeline
from include.core.as_of import end_of, midnight
from include.core.connections import EnvironmentConnections
from include.features import build, prediction_runs
from include.features.build import build_features
from include.features.feature_table import read_features
from include.features.prediction_runs import prediction_days, rows_to_predict
from include.features.query import run_features_query
from include.features.snapshot import pin_snapshot
from include.workflows.retrain.run import ingest
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

FIRST = date(2024, 2, 28)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]
#: Days of runs until all the delays below have passed.
ALL_RUNS = [FIRST + timedelta(days=number) for number in range(-1, 8)]
#: Times of day at which a row may be observed: midnight, the moments next to it, and each hour.
MOMENTS = sorted(
    {
        timedelta(0),
        timedelta(microseconds=1),
        *(timedelta(hours=hour) for hour in range(24)),
        *(timedelta(minutes=minutes) for minutes in (15, 23 * 60 + 45, 23 * 60 + 59)),
        timedelta(days=1) - timedelta(microseconds=1),
    }
)
DELAYS = [
    timedelta(0),
    timedelta(microseconds=1),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(days=1) - timedelta(microseconds=1),
    timedelta(days=1),
    timedelta(days=2, hours=1),
]
READINGS_YAML = (
    factories.SHOP_YAML.replace("key: [store, day]", "key: [reading]")
    .replace("    day: day\n", "    day: observed_at\n")
    .replace("available_at: closed_at", "available_at: {column: observed_at, delay: DELAY}")
    .replace("      store: string\n      day: timestamp\n", "      reading: string\n      observed_at: timestamp\n")
    .replace("      closed_at: timestamp\n", "")
    .replace("key: [store_day]", "key: [reading]")
)
#: The prediction time of a row is when it becomes known, or the midnight after that.
WHEN_KNOWN, AT_NEXT_MIDNIGHT = "available_at", "date_trunc('day', available_at) + INTERVAL 1 DAY"
AT_MIDNIGHT = "date_trunc('day', available_at - INTERVAL 1 MICROSECOND) + INTERVAL 1 DAY"
DAYS_LATER = "available_at + INTERVAL 2 DAYS + INTERVAL 1 SECOND"
PREDICTION_TIMES = {
    "when known": WHEN_KNOWN,
    "at the midnight after": AT_NEXT_MIDNIGHT,
    "at that midnight or the next": AT_MIDNIGHT,
    "days later": DAYS_LATER,
}


def features(prediction_time: str) -> str:
    """Return a feature query with a row for each reading that counts the readings known by then."""
    return f"""
        WITH spine AS (SELECT reading, NULL::DOUBLE AS revenue, {prediction_time} AS prediction_time FROM sales)
        SELECT spine.*, (SELECT count(*) FROM sales AS s WHERE s.available_at < spine.prediction_time) AS known
        FROM spine
    """


def readings(*delays: timedelta) -> pa.Table:
    """Return raw rows at all moments of some days, one for each delay."""
    all_rows = [(midnight(day) + moment, delay) for day in DAYS for moment in MOMENTS for delay in delays]
    observed = [each for each, _ in all_rows]
    return pa.table(
        {
            "reading": [f"{each:%m-%d %H:%M:%S.%f} known after {delay}" for each, delay in all_rows],
            "observed_at": pa.array(observed, pa.timestamp("us", tz="UTC")),
            "revenue": [1.0] * len(observed),
            "visitors": [1] * len(observed),
            "available_at": pa.array([each + delay for each, delay in all_rows], pa.timestamp("us", tz="UTC")),
            "ds": [str(each.date()) for each in observed],
        }
    )


@pytest.fixture
def pipelines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of pipelines."""
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(tmp_path / "pipelines"))
    return tmp_path / "pipelines"


def write(pipelines: Path, prediction_time: str, delay: str = "PT0S") -> Pipeline:
    """Write a pipeline over hourly readings and return it."""
    sql = "SELECT reading, observed_at, revenue, visitors FROM sales WHERE observed_at >= :start AND observed_at < :end"
    folder = factories.write_shop(
        pipelines,
        pipeline=READINGS_YAML.replace("DELAY", delay),
        features=features(prediction_time),
        sales_sql=sql,
    )
    (folder / "expectations/sales.yaml").unlink()
    return load_pipeline("shop")


def lake_of(monkeypatch: pytest.MonkeyPatch, rows: pa.Table) -> None:
    """Replace the raw rows of the lake."""
    monkeypatch.setattr(build, "pinned_tables", lambda *_: {})
    monkeypatch.setattr(build, "raw_datasets", lambda *_: {"sales": rows})


def delivered(rows: pa.Table, day: date) -> pa.Table:
    """Return the raw rows that the lake holds when the run as of a day starts."""
    return rows.filter(pa.array([ds <= str(day) for ds in rows["ds"].to_pylist()]))


def test_each_raw_row_is_first_seen_as_of_one_day_and_from_then_on(pipelines: Path) -> None:
    """A run sees a row that is known and delivered by the end of its day; a late run of an old day sees the same."""
    pipeline, rows = write(pipelines, WHEN_KNOWN), readings(*DELAYS)
    seen_as_of = {
        day: set(run_features_query(pipeline, {"sales": rows}, as_of=day)["reading"].to_pylist()) for day in ALL_RUNS
    }
    for row in rows.to_pylist():
        known = row["available_at"].replace(tzinfo=None)
        by = [day for day in ALL_RUNS if row["reading"] in seen_as_of[day]]
        first = next(day for day in ALL_RUNS if str(day) >= row["ds"] and known <= end_of(day))
        assert by == [day for day in ALL_RUNS if day >= first], row


@pytest.mark.parametrize("prediction_time", PREDICTION_TIMES.values(), ids=PREDICTION_TIMES)
def test_each_feature_row_is_predicted_by_exactly_one_run(
    pipelines: Path, monkeypatch: pytest.MonkeyPatch, prediction_time: str
) -> None:
    """An hourly source with a delay of an hour once had 24 rows a day in the table and only 23 predictions.

    Each night predicts from what was delivered by then, with the features that the table has in the end. A run of an
    old day that starts later predicts the same rows.
    """
    pipeline, rows = write(pipelines, prediction_time), readings(*DELAYS)
    predicted: dict[date, pa.Table] = {}
    for day in ALL_RUNS:
        lake_of(monkeypatch, delivered(rows, day))
        predicted[day] = rows_to_predict(pipeline, {}, day)

    lake_of(monkeypatch, rows)
    table = build.compute_rows(pipeline, {}, ALL_RUNS[-1], midnight(ALL_RUNS[0]))
    order = [("prediction_time", "ascending"), ("reading", "ascending")]
    assert pa.concat_tables(predicted.values()).sort_by(order) == table.sort_by(order)
    assert table.num_rows == rows.num_rows
    by_day = {day: rows_to_predict(pipeline, {}, day) for day in ALL_RUNS}
    assert by_day == predicted
    days = dict(zip(table["reading"].to_pylist(), prediction_days(pipeline, {}, table.to_pandas()), strict=True))
    assert days == {name: str(day) for day, part in predicted.items() for name in part["reading"].to_pylist()}


def test_the_lake_has_as_many_predictions_as_rows(shop: Path, tmp_path: Path) -> None:
    """The real ingestion, day by day: 24 readings a day, each known an hour later."""
    pipeline = write(shop.parent, WHEN_KNOWN, "PT1H")
    rows = readings(timedelta(0)).to_pandas()
    rows = rows[rows["observed_at"].dt.floor("h") == rows["observed_at"]]
    rows["observed_at"] = rows["observed_at"].dt.strftime("%Y-%m-%d %H:%M:%S")
    factories.write_sales(tmp_path / "shop.db", rows[["reading", "observed_at", "revenue", "visitors"]])
    counts = []
    for day in DAYS:
        ingest(pipeline, day, day, EnvironmentConnections())
        counts.append(rows_to_predict(pipeline, pin_snapshot(pipeline), day).num_rows)

    table = read_features(build_features(pipeline, pin_snapshot(pipeline), DAYS[-1]))
    assert counts == [24, 24, 24]
    assert len(table) == 72
    assert table["prediction_time"].max() == datetime.fromisoformat("2024-03-02")


def test_a_query_at_other_times_is_run_once(pipelines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only prediction times at midnight cost a second query."""
    pipeline, rows = write(pipelines, f"{WHEN_KNOWN} + INTERVAL 1 SECOND"), readings(timedelta(0))
    lake_of(monkeypatch, rows)
    runs: list[date] = []
    monkeypatch.setattr(
        prediction_runs, "compute_rows", lambda *args: runs.append(args[2]) or build.compute_rows(*args)
    )

    rows_to_predict(pipeline, {}, DAYS[1])

    assert runs == [DAYS[1]]


def test_a_row_that_appears_after_its_prediction_time_is_not_predicted(
    pipelines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that returns a row only once its outcome is known has none to predict, at midnight either."""
    at_day_before = "date_trunc('day', available_at - INTERVAL 1 MICROSECOND)"
    pipeline, rows = write(pipelines, at_day_before), readings(timedelta(hours=1))
    lake_of(monkeypatch, rows)

    assert build.compute_rows(pipeline, {}, DAYS[1], midnight(DAYS[1])).num_rows
    assert rows_to_predict(pipeline, {}, DAYS[1]).num_rows == 0
