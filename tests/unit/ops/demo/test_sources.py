"""The demo's sources: real flights, moved next to today, and visible only when they would be known."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from include.ops.demo.sources import FIRST_DAY, LAST_DAY, DemoSources, prepare_sources

if TYPE_CHECKING:
    from pathlib import Path

TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def year(year_of_flights: DemoSources) -> DemoSources:
    """Return the whole demo, next to today."""
    return year_of_flights


def ask(sources: DemoSources, query: str) -> list[tuple]:
    """Run a query on the demo's database."""
    with closing(sqlite3.connect(sources.database)) as database:
        return database.execute(query).fetchall()


def test_the_original_year_is_complete(year: DemoSources) -> None:
    """Every flight of 2013 is in the schedule and has an outcome."""
    for table, column in (("schedule", "flight_date"), ("outcomes", "flight_id")):
        assert ask(year, f"SELECT count(*) FROM {table} WHERE {column} LIKE '2013%'") == [(336_776,)]


def test_the_year_moves_by_whole_weeks_to_end_in_the_last_one(year: DemoSources) -> None:
    """A weekday stays a weekday, and the moved year ends at most a week before yesterday."""
    assert (year.last_day - LAST_DAY).days % 7 == 0
    assert timedelta(days=1) <= TODAY - year.last_day <= timedelta(days=7)
    moved = ask(
        year, f"SELECT count(*) FROM schedule_feed WHERE flight_date BETWEEN '{year.first_day}' AND '{year.last_day}'"
    )
    assert moved == [(336_776,)]


def test_the_night_finds_new_flights_for_a_year(year: DemoSources) -> None:
    """Each day until the horizon has flights and a weather file, without a gap after the moved year."""
    days = [row[0] for row in ask(year, "SELECT DISTINCT flight_date FROM schedule_feed WHERE flight_date > '2014'")]
    expected = [
        str(year.first_day + timedelta(days=number)) for number in range((year.horizon - year.first_day).days + 1)
    ]

    assert sorted(days) == expected
    assert {path.stem for path in (year.landing / "weather").glob("*.csv")} >= set(expected)
    assert year.horizon >= TODAY + timedelta(days=350)


def test_the_views_show_no_future_rows(year: DemoSources) -> None:
    """The database shows a flight when it is announced, and its outcome when that is known."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    for table, column in (("schedule", "published_at"), ("outcomes", "known_at")):
        assert ask(year, f"SELECT count(*) FROM {table} WHERE {column} > '{now}'") == [(0,)]
        assert ask(year, f"SELECT count(*) FROM {table}_feed WHERE {column} > '{now}'") > [(0,)]


def test_no_outcome_is_known_before_the_flight_was_announced(year: DemoSources) -> None:
    """What is known after landing comes after what is known in advance, for every flight."""
    early = "SELECT count(*) FROM schedule_feed JOIN outcomes_feed USING (flight_id) WHERE known_at <= published_at"

    assert ask(year, early) == [(0,)]


def test_prepared_sources_are_used_again(year: DemoSources) -> None:
    """A second call on the same or a later day changes nothing."""
    made = year.database.stat().st_mtime_ns

    assert prepare_sources(year.database.parent, TODAY + timedelta(days=3)) == year
    assert year.database.stat().st_mtime_ns == made


def test_sources_that_have_run_out_are_replaced(tmp_path: Path) -> None:
    """After the horizon the year is moved again, also if a half-written folder was left."""
    folder = tmp_path / "sources"
    (tmp_path / ".sources.making").mkdir()
    prepare_sources(folder, date(2014, 1, 1), days=(FIRST_DAY, FIRST_DAY))

    made = prepare_sources(folder, date(2014, 1, 2), days=(FIRST_DAY, date(2013, 1, 2)))

    assert made.horizon == date(2013, 1, 2)
    assert ask(made, "SELECT count(DISTINCT flight_date) FROM schedule") == [(2,)]
    assert [path.name for path in tmp_path.iterdir() if "making" in path.name] == []
