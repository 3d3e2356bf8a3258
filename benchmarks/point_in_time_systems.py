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
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.point_in_time_data import AS_OF, NAME, write
from include import lake
from include.config.loader import load_pipeline
from include.core import settings
from include.features.build import build_features
from include.features.snapshot import pin_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

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
