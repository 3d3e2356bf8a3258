"""Days: which days a run ingests, and which day a row belongs to, whatever the machine's time zone."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import SchemaMismatch
from include.ingestion.days import days_between
from include.workflows.retrain.run import ingest
from tests import factories
from tests.services.airflow import airflow_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MACHINES = ("Europe/Berlin", "America/New_York")
#: A machine east of UTC shows what one west of it shows, at the other end of the day.
EACH_MACHINE = [MACHINES[0], pytest.param(MACHINES[1], marks=pytest.mark.slow)]
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)

DAILY = "15 0 * * *"
#: Other schedules by which each day is ingested once: some at an hour that a change of clocks leaves out or repeats.
CRONS = (DAILY, "0 0 * * *", "30 2 * * *", "30 1 * * *", "45 23 * * *", "15 0 * * 2-6", "0 6 * * 1")

ITERATES = """
import json, sys
from datetime import UTC, datetime
from types import SimpleNamespace
from airflow.sdk import timezone
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction
from dags.ingest import ingest_dag
from include.config.loader import load_pipeline
from plugins.operators.extract_source import days_of_run

def days(info):
    # a run keeps its interval in UTC, whatever zone the scheduler counted in
    run = SimpleNamespace(data_interval_start=info.data_interval.start, data_interval_end=info.data_interval.end)
    return [day.isoformat() for day in days_of_run({"dag_run": run, "params": {}})]

def scheduled(dag, first):
    now, interval, found = datetime.now(UTC), None, []
    restriction = TimeRestriction(earliest=timezone.coerce_datetime(first), latest=None, catchup=True)
    while True:
        info = dag.timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction)
        if info.run_after > now:
            return found
        interval = info.data_interval
        found.append(days(info))

told, pipeline = {}, load_pipeline("shop")
for cron in json.loads(sys.argv[1]):
    schedule = pipeline.schedule.model_copy(update={"ingest": cron})
    dag = ingest_dag("shop", pipeline.model_copy(update={"schedule": schedule}))
    dag = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    first = dag.start_date if cron == "15 0 * * *" else datetime(2023, 12, 4, tzinfo=UTC)
    backfill = dag.iter_dagrun_infos_between(datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    told[cron] = {"scheduled": scheduled(dag, first), "backfill": [days(info) for info in backfill]}
print("TOLD" + json.dumps(told))
"""


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Set the time zone of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.parametrize("zone", EACH_MACHINE)
def test_each_day_is_ingested_by_one_run(zone: str, shop: Path, tmp_path: Path) -> None:
    """From the DAG's first day on no day is missing or repeated, also at clock changes and in leap years.

    The local clock of the machine and of Airflow's UI make no difference.
    """
    done = subprocess.run(
        [sys.executable, "-c", ITERATES, json.dumps(CRONS)],
        env=airflow_environment(tmp_path) | {"TZ": zone, "AIRFLOW__CORE__DEFAULT_TIMEZONE": zone},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.rpartition("TOLD")[2])

    assert list(told) == list(CRONS)
    for cron, runs in told.items():
        days = [day for first, last in runs["scheduled"] for day in each(first, last)]
        assert days == each(days[0], days[-1]), cron
    nights = [first for first, _ in told[DAILY]["scheduled"]]
    assert nights[0] == "2013-01-01"
    assert nights[-1] in (str(YESTERDAY), str(YESTERDAY - timedelta(days=1)))  # before a quarter past midnight
    assert {first == last for first, last in told[DAILY]["scheduled"]} == {True}
    assert {"2023-12-31", "2024-01-01", "2024-02-28", "2024-02-29", "2024-03-01", "2024-03-31"} <= set(nights)
    assert [first for first, _ in told[DAILY]["backfill"]] == each("2024-01-01", "2024-12-31")


def each(first: str, last: str) -> list[str]:
    """Return the days of a range."""
    return days_between(date.fromisoformat(first), date.fromisoformat(last))


#: A leap day, days on which clocks change in Europe and in New York, and the end of a year.
DAYS = [date.fromisoformat(day) for day in ("2024-02-29", "2024-03-31", "2024-11-03", "2024-12-31")]
#: How a source may write a time: without a zone, which is UTC, as UTC, or with the offset of a local clock.
WRITTEN = {"naive": None, "utc": UTC} | {zone: ZoneInfo(zone) for zone in MACHINES}

Rows = dict[str, list[tuple[str, datetime]]]


def expected(*ways: str, smallest: timedelta = timedelta(microseconds=1)) -> Rows:
    """Return rows at the first and last moment of each UTC day and at local midnights, in several notations."""
    found: Rows = {}
    for day in DAYS:
        first = datetime(day.year, day.month, day.day)
        moments = {first.replace(tzinfo=UTC), first.replace(tzinfo=UTC) + timedelta(days=1) - smallest}
        moments |= {first.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for zone in MACHINES}
        for moment in sorted(moments):
            rows = [(f"{moment.isoformat()} {way}", moment) for way in sorted(ways)]
            found.setdefault(moment.date().isoformat(), []).extend(rows)
    return found


def as_written(key: str, moment: datetime, separator: str) -> str:
    """Return a row's time in the notation that its key names."""
    zone = WRITTEN[key.split()[-1]]
    if zone is None:
        return moment.replace(tzinfo=None).isoformat(separator)
    text = moment.astimezone(zone).isoformat(separator)
    return text.replace("+00:00", "Z") if zone is UTC else text


def published() -> Rows:
    """Return the lake's rows by partition."""
    rows = lake.read_days(lake.raw_uri("shop", "sales"), "ds")
    assert rows is not None
    found: Rows = {}
    for row in sorted(rows.to_pylist(), key=lambda row: (row["ds"], row["store"])):
        found.setdefault(row["ds"], []).append((row["store"], row["day"]))
    return found


def write_database(path: Path, rows: Rows) -> None:
    """Write rows into the shop's database, in the notations that their keys name."""
    written = [(key, as_written(key, moment, " ")) for day in rows.values() for key, moment in day]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE sales")
        database.execute("CREATE TABLE sales (store, day, revenue, visitors, closed_at)")
        database.executemany("INSERT INTO sales VALUES (?1, ?2, 1.0, 1, ?2)", written)


def ingest_each_day(folder: Path, source: str = "", sql: str = factories.SHOP_SQL) -> None:
    """Ingest the days around the tested day one by one; a day may have no rows."""
    of_sql = "    kind: sql\n    connection: shop\n    query: sql/sales.sql\n"
    text = factories.SHOP_YAML.replace(of_sql, source or of_sql).replace("{min: 1, max: 100}", "{min: 0}")
    factories.write_shop(folder.parent, pipeline=text, sales_sql=sql)
    pipeline, connections = load_pipeline("shop"), EnvironmentConnections()
    for day in sorted({day + timedelta(days=number) for day in DAYS for number in (-1, 0, 1)}):
        ingest(pipeline, day, day, connections)


@pytest.mark.parametrize("machine", EACH_MACHINE, indirect=True)
def test_rows_of_a_database_are_in_the_partition_of_their_utc_day(machine: str, shop: Path, tmp_path: Path) -> None:
    """The first and last moment of a day and local midnights are found by :start and :end."""
    write_database(tmp_path / "shop.db", expected("naive"))

    ingest_each_day(shop)

    assert published() == expected("naive")


@pytest.mark.parametrize("machine", EACH_MACHINE, indirect=True)
def test_rows_of_a_database_with_offsets_are_in_the_partition_of_their_utc_day(
    machine: str, shop: Path, tmp_path: Path
) -> None:
    """Text with an offset is compared by the database's own function for UTC; that of SQLite knows milliseconds."""
    rows = expected(*WRITTEN, smallest=timedelta(milliseconds=1))
    write_database(tmp_path / "shop.db", rows)

    in_utc = factories.SHOP_SQL.replace("WHERE day", "WHERE datetime(day)").replace("AND day", "AND datetime(day)")
    ingest_each_day(shop, sql=in_utc)

    assert published() == rows


@pytest.mark.parametrize("machine", EACH_MACHINE, indirect=True)
def test_rows_of_csv_files_are_in_the_partition_of_their_utc_day(
    machine: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a UTC day may write its times with any offset, with Z, or without a zone, side by side."""
    monkeypatch.setenv("AIRFLOW_CONN_LANDING", json.dumps({"conn_type": "fs", "extra": {"path": str(tmp_path)}}))
    (tmp_path / "sales").mkdir()
    for day, rows in expected(*WRITTEN).items():
        lines = [f"{key},{as_written(key, moment, 'T')},1.0,1,{moment.isoformat()}" for key, moment in rows]
        (tmp_path / "sales" / f"{day}.csv").write_text("\n".join(["store,day,revenue,visitors,closed_at", *lines]))

    ingest_each_day(shop, "    kind: files\n    connection: landing\n    path: sales/{ds}.csv\n")

    assert published() == expected(*WRITTEN)


def test_a_day_in_another_time_zone_is_refused(shop: Path, tmp_path: Path) -> None:
    """A query that compares local times as text with the bounds returns rows of another UTC day: none is published."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        database.execute("UPDATE sales SET day = date(day) || ' 00:30:00+02:00'")

    with pytest.raises(SchemaMismatch, match=r"5 of 5 rows belong to other days by their 'day' \(2024-01-01\)"):
        ingest(load_pipeline("shop"), date(2024, 1, 2), date(2024, 1, 2), EnvironmentConnections())

    assert lake.latest_version(lake.raw_uri("shop", "sales")) is None
