"""The same point-in-time build by three systems, each in a process of its own; see `benchmarks.point_in_time`.

`python -m benchmarks.point_in_time_systems WHAT FOLDER EVENTS` prints seconds and peak memory as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from include import lake, settings
from include.catalog import load_pipeline
from include.features.build import build_features, pin_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import pandas as pd
    import pyarrow as pa

NAME = "bench_events"
FIRST, DAYS = date(2024, 1, 1), 60
DAY = 86_400_000_000  # microseconds
AS_OF = FIRST + timedelta(days=DAYS - 1)

_YAML = """\
description: What does a point-in-time build cost?
owner: benchmark
history_days: 90
sources:
  events:
    kind: files
    connection: none
    path: "events/{ds}.csv"
    key: [event]
    available_at: known_at
    columns: {event: integer, entity: integer, value: float, known_at: timestamp}
  questions:
    kind: files
    connection: none
    path: "questions/{ds}.csv"
    key: [question]
    available_at: asked_at
    columns: {question: integer, entity: integer, answer: float, asked_at: timestamp}
features: {key: [question], label: answer, exclude: [entity]}
training: {task: regression, metric: mae, window_days: 60, holdout_days: 7, gap_days: 1, candidates: [linear]}
gate: {minimum: 1}
"""

_FEATURES = """\
-- each question is also a row without a value, so that its window ends at the question, not at the event before
WITH history AS (
    SELECT entity, known_at, value, CAST(NULL AS BIGINT) AS question FROM events
    UNION ALL
    SELECT entity, asked_at, NULL, question FROM questions
),
windows AS (
    SELECT
        question,
        trailing_sum(value, entity, known_at, INTERVAL 7 DAYS) AS sum_7d,
        trailing_mean(value, entity, known_at, INTERVAL 7 DAYS) AS mean_7d,
        trailing_count(value, entity, known_at, INTERVAL 7 DAYS) AS count_7d
    FROM history
)
SELECT
    questions.question,
    questions.entity,
    questions.asked_at AS prediction_time,
    questions.answer,
    events.value AS last_value,
    days_since(events.known_at, questions.asked_at) AS days_since_last,
    windows.sum_7d,
    windows.mean_7d,
    windows.count_7d
FROM questions
JOIN windows USING (question)
ASOF LEFT JOIN events ON events.entity = questions.entity AND events.known_at <= questions.asked_at
"""

_BY_HAND = """\
WITH windows AS (
    SELECT question, sum(value) OVER week AS sum_7d, avg(value) OVER week AS mean_7d, count(value) OVER week AS count_7d
    FROM (
        SELECT entity, known_at, value, NULL AS question FROM events
        UNION ALL
        SELECT entity, asked_at, NULL, question FROM questions
    )
    WINDOW week AS (
        PARTITION BY entity ORDER BY known_at
        RANGE BETWEEN INTERVAL 7 DAYS - INTERVAL 1 MICROSECOND PRECEDING AND CURRENT ROW
    )
)
SELECT q.question, q.entity, q.asked_at AS prediction_time, q.answer, e.value AS last_value,
    epoch_us(q.asked_at - e.known_at) / 86400000000 AS days_since_last, w.sum_7d, w.mean_7d, w.count_7d
FROM questions AS q JOIN windows AS w USING (question)
ASOF LEFT JOIN events AS e ON e.entity = q.entity AND e.known_at <= q.asked_at
ORDER BY prediction_time, question
"""


def write(folder: Path, events: int) -> None:
    """Write the pipeline, and seeded events and questions into its lake, a partition a day; no two share a moment."""
    import numpy as np
    import pyarrow as pa

    pipeline = folder / "pipelines" / NAME
    pipeline.mkdir(parents=True)
    (pipeline / "pipeline.yaml").write_text(_YAML)
    (pipeline / "features.sql").write_text(_FEATURES)
    draw = np.random.default_rng(0)
    questions, entities = events // 3, max(1, events // 100)
    step = DAYS * DAY // events
    for name, number, rows in (("events", "value", events), ("questions", "answer", questions)):
        # questions lie between two events each, so nothing depends on an order of rows at the same moment
        moments = np.sort(draw.permutation(events)[:rows]) * step + (step // 2 if name == "questions" else 0)
        numbers = draw.permutation(rows)
        table = pa.table(
            {
                name.removesuffix("s"): numbers,
                "entity": draw.integers(0, entities, rows),
                number: draw.uniform(1, 100, rows),
            }
        )
        _publish(name, table, moments, "asked_at" if name == "questions" else "known_at")


def _publish(name: str, table: pa.Table, moments: np.ndarray, moment: str) -> None:
    """Publish rows whose moments, microseconds since the first day, ascend; within a day by their numbers."""
    import numpy as np
    import pyarrow as pa

    from include.ingestion.publish import _schema

    source = load_pipeline(NAME).sources[name]
    start = (FIRST - date(1970, 1, 1)).days * DAY
    bounds = np.searchsorted(moments, np.arange(DAYS + 1) * DAY)
    days = [(FIRST + timedelta(days=day)).isoformat() for day in range(DAYS)]
    schema = _schema(source)

    def parts() -> Iterator[pa.Table]:
        for day, ds in enumerate(days):
            first, size = int(bounds[day]), int(bounds[day + 1] - bounds[day])
            times = pa.array(moments[first : first + size] + start).cast(pa.timestamp("us", tz="UTC"))
            part = table.slice(first, size)
            for column, values in (("batch", pa.array(["one"] * size)), ("ds", pa.array([ds] * size))):
                part = part.append_column(column, values)
            for column in (moment, "available_at"):
                part = part.append_column(column, times)
            yield part.sort_by(source.key[0]).select(schema.names).cast(schema)

    counts = dict(zip(days, np.diff(bounds).tolist(), strict=True))
    lake.publish_days(
        lake.raw_uri(NAME, name), parts(), schema, lake.Slices("ds", days, "one", 1, counts)
    )


def nightshift(folder: Path) -> None:
    """Build with Nightshift; an earlier build would be found and used again, so it is removed before."""
    pipeline = load_pipeline(NAME)
    build_features(pipeline, pin_snapshot(pipeline), AS_OF)


def duckdb(folder: Path) -> None:
    """Build with DuckDB, by a query of its own over tables of the columns that it needs."""
    import duckdb
    from deltalake import DeltaTable, write_deltalake

    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"SET threads = {settings.threads()}")
        con.execute(f"SET memory_limit = '{settings.query_memory()}'")
        con.execute(f"SET temp_directory = '{folder / 'spill'}'")
        for name, columns, moment in (
            ("events", "entity, value", "known_at"),
            ("questions", "question, entity, answer", "asked_at"),
        ):
            con.register("raw", DeltaTable(lake.raw_uri(NAME, name)).to_pyarrow_dataset())
            con.execute(
                f"CREATE TABLE {name} AS SELECT {columns}, make_timestamp(epoch_us({moment})) AS {moment} FROM raw"
                f" WHERE {moment} < TIMESTAMPTZ '{AS_OF + timedelta(days=1)} 00:00:00+00'"
            )
        rows = con.sql(_BY_HAND).to_arrow_table()
    write_deltalake(str(folder / "duckdb"), rows, mode="overwrite")


def pandas(folder: Path) -> None:
    """Build with pandas."""
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    end = pd.Timestamp(AS_OF + timedelta(days=1), tz="UTC")
    events = DeltaTable(lake.raw_uri(NAME, "events")).to_pandas(columns=["entity", "value", "known_at"])
    questions = DeltaTable(lake.raw_uri(NAME, "questions")).to_pandas(
        columns=["question", "entity", "answer", "asked_at"]
    )
    events = events[events["known_at"] < end].sort_values("known_at", ignore_index=True)
    questions = questions[questions["asked_at"] < end].sort_values("asked_at", ignore_index=True)
    rows = pd.merge_asof(questions, events, left_on="asked_at", right_on="known_at", by="entity")
    rows["days_since_last"] = (rows["asked_at"] - rows["known_at"]) / pd.Timedelta(days=1)
    asked = questions[["entity", "asked_at", "question"]].rename(columns={"asked_at": "known_at"})
    both = pd.concat([events, asked]).sort_values(["entity", "known_at"], ignore_index=True)
    week = both.groupby("entity").rolling("7D", on="known_at")["value"].agg(["sum", "mean", "count"])
    week = week.set_axis(["sum_7d", "mean_7d", "count_7d"], axis=1).reset_index(drop=True)
    week["question"] = both["question"]
    rows = rows.merge(week[week["question"].notna()].astype({"question": "int64"}), on="question")
    rows = rows.rename(columns={"value": "last_value", "asked_at": "prediction_time"}).drop(columns="known_at")
    write_deltalake(str(folder / "pandas"), pa.Table.from_pandas(rows, preserve_index=False), mode="overwrite")


def compare(folder: Path, other: str) -> None:
    """Assert that another system's table is equal to Nightshift's."""
    from deltalake import DeltaTable
    from pandas.testing import assert_frame_equal

    names = [*("question", "entity", "prediction_time", "answer", "last_value", "days_since_last"), *_WEEK]
    first, second = (
        _plain(DeltaTable(uri).to_pandas(columns=names)) for uri in (lake.features_uri(NAME), str(folder / other))
    )
    assert len(first), "there must be something to compare"
    assert_frame_equal(first, second, check_dtype=False)


_WEEK = ("sum_7d", "mean_7d", "count_7d")


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    moments = rows["prediction_time"]
    naive = moments.dt.tz_convert("UTC").dt.tz_localize(None) if moments.dt.tz else moments
    return rows.assign(prediction_time=naive.astype("datetime64[us]")).sort_values("question", ignore_index=True)


def _measured(work: Callable[[], None]) -> dict[str, float]:
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    # not getrusage: its maximum goes back to the process that started this one
    status = Path("/proc/self/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return {"seconds": seconds, "gigabytes": kilobytes * 1024 / 1e9}


def main(what: str, folder: Path, events: int, *more: str) -> dict[str, float]:
    """Do what is asked for; return seconds and peak memory of a build."""
    for name in ("deltalake", "duckdb", "pandas", "pyarrow.dataset"):
        importlib.import_module(name)  # before the clock runs
    if what == "write":
        write(folder, events)
        return {}
    if what == "compare":
        compare(folder, *more)
        return {}
    if gigabytes := os.environ.get("BENCH_MEMORY_GB"):
        bound = int(float(gigabytes) * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    made = Path(lake.features_uri(NAME)) if what == "nightshift" else folder / what
    shutil.rmtree(made, ignore_errors=True)
    work = {"nightshift": nightshift, "duckdb": duckdb, "pandas": pandas}[what]
    return _measured(lambda: work(folder))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])) + "\n")
