"""What one more day costs where a table holds few days, and where it holds many."""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.measure import seconds_of, use_home
from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.workflows.retrain.run import ingest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.config.pipeline import Pipeline

HELD = (30, 300, 3000)
ROUNDS = 5
ROWS = 1000
LIMIT = 1.3
FIRST = date(2015, 1, 1)

_YAML = """\
description: What does one more day cost?
owner: benchmark
history_days: 40
sources:
  sales:
    kind: sql
    connection: bench_days
    query: sales.sql
    key: [number]
    available_at: sold_at
    columns: {number: integer, price: float, country: string, sold_at: timestamp}
features: {key: [number], label: price}
training: {task: regression, metric: mae, window_days: 30, holdout_days: 7, gap_days: 1, candidates: [linear]}
gate: {minimum: 1}
"""
_SQL = "SELECT number, price, country, sold_at FROM sales WHERE sold_at >= :start AND sold_at < :end"
_EXPECTATIONS = """\
expectations:
  - expect_column_values_to_be_between: {column: price, min_value: 0, max_value: 1000}
  - expect_column_values_to_be_in_set: {column: country, value_set: [de, fr, ch]}
"""


def day_seconds() -> dict[int, float]:
    """Return the median seconds of ingesting one more day, by the days that the table holds, each in its own commit."""
    before = {name: os.environ.get(name) for name in ("NIGHTSHIFT_PIPELINES", "NIGHTSHIFT_HOME", "LAKE_URI")}
    try:
        with TemporaryDirectory(prefix="bench-days-") as folder:
            return {held: _one_more(Path(folder) / str(held), held) for held in HELD}
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def over_limit(seconds: dict[int, float]) -> bool:
    """Return whether a day in a long table costs noticeably more than in a short one."""
    return seconds[HELD[-1]] / seconds[HELD[0]] > LIMIT


def _one_more(folder: Path, held: int) -> float:
    pipeline = _prepare(folder, held)
    connections = EnvironmentConnections()
    last = FIRST + timedelta(days=held - 1)
    # the month before is ingested, so that there is a history to compare with; what lies before it is published only
    _publish_older(pipeline, held - 30)
    ingest(pipeline, last - timedelta(days=29), last, connections)
    taken = []
    for number in range(1, ROUNDS + 1):
        day = last + timedelta(days=number)
        taken.append(seconds_of(lambda day=day: ingest(pipeline, day, day, connections)))
    assert len(lake.partitions(lake.raw_uri(pipeline.name, "sales"))) == held + ROUNDS
    return statistics.median(taken)


def _prepare(folder: Path, held: int) -> Pipeline:
    pipeline = folder / "pipelines" / "bench_days"
    (pipeline / "expectations").mkdir(parents=True)
    (pipeline / "pipeline.yaml").write_text(_YAML)
    (pipeline / "sales.sql").write_text(_SQL)
    (pipeline / "features.sql").write_text("SELECT number, sold_at AS prediction_time, price FROM sales")
    (pipeline / "expectations" / "sales.yaml").write_text(_EXPECTATIONS)
    os.environ["NIGHTSHIFT_PIPELINES"] = str(folder / "pipelines")
    use_home(folder / "home")
    os.environ["AIRFLOW_CONN_BENCH_DAYS"] = json.dumps({"conn_type": "sqlite", "host": str(folder / "sales.db")})
    with closing(sqlite3.connect(folder / "sales.db")) as database, database:
        database.execute("CREATE TABLE sales (number INTEGER, price REAL, country TEXT, sold_at TEXT)")
        first = FIRST + timedelta(days=held - 30)
        for day in range(30 + ROUNDS):
            database.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", _rows(first + timedelta(days=day)))
    return load_pipeline("bench_days")


def _rows(day: date) -> Iterator[tuple[int, float, str, str]]:
    for number in range(ROWS):
        yield number, 10.0 + number % 90, ("de", "fr", "ch")[number % 3], str(datetime.combine(day, time(12)))


def _publish_older(pipeline: Pipeline, days: int) -> None:
    """Publish days as their own nights would have, by a commit each."""
    import pyarrow as pa

    from include.ingestion.publish import _schema

    uri, schema = lake.raw_uri(pipeline.name, "sales"), _schema(pipeline.sources["sales"])
    for number in range(days):
        day = FIRST + timedelta(days=number)
        moment = datetime.combine(day, time(12))
        rows = [
            {"batch": "older", "ds": day.isoformat(), "number": n, "price": 1.0, "country": "de"} for n in range(10)
        ]
        times = {name: pa.array([moment] * 10, pa.timestamp("us", tz="UTC")) for name in ("sold_at", "available_at")}
        table = pa.Table.from_pylist(rows)
        for name, values in times.items():
            table = table.append_column(name, values)
        table = table.select(schema.names).cast(schema)
        slices = lake.Slices("ds", [day.isoformat()], "older", number + 1, {day.isoformat(): 10})
        lake.publish_days(uri, [table], schema, slices)
