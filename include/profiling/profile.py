"""Profiles: what the rows of each day look like, small enough that a month of days is compared in a moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include import lake
from include.core.duckdb_connection import aggregate, open_duckdb
from include.core.scratch import scratch_folder
from include.core.sql_text import identifier, identifiers, literal, parquet_rows
from include.lake import run_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.config.sources import ColumnType, Source
    from include.ingestion.stage import StagedBatch

#: Memory that profiling a batch may take before it spills to the disk.
PROFILE_MEMORY = "300MB"

#: Columns that are profiled together.
PORTION = 100

#: The most distinct values that a day may have of a column for each to be counted.
COUNTED_VALUES = 50

#: About so many rows of a day are looked at for its quantiles.
SAMPLE_ROWS = 10_000

#: Of a longer text only so much is kept, so that a profile stays small.
VALUE_LENGTH = 100

#: Shares of the rows at which quantiles are kept.
QUANTILES = [n / 100 for n in range(101)]


def profile_schema() -> pa.Schema:
    """Return the columns of a profile, which has one row a day and column of the source.

    `rows` are the day's, 0 where it has none. `distinct` is exact where the values are counted, else estimated
    within some 6 %. `newest` is the day's newest `available_at`, the same on all of its rows. `values` (as text)
    and `counts` belong together; `quantiles` are those of the finite values, timestamps as seconds since 1970. A
    column of many distinct texts has neither.
    """
    import pyarrow as pa

    return pa.schema(
        [
            ("day", pa.string()),
            ("column", pa.string()),
            ("rows", pa.int64()),
            ("nulls", pa.int64()),
            ("not_finite", pa.int64()),
            ("distinct", pa.int64()),
            ("newest", pa.timestamp("us", tz="UTC")),
            ("values", pa.list_(pa.string())),
            ("counts", pa.list_(pa.int64())),
            ("quantiles", pa.list_(pa.float64())),
        ]
    )


def profile_rows(path: Path, source: Source, days: list[str], left_out: set[int]) -> pa.Table:
    """Return the profile of a staged batch; the same file has the same profile.

    Parameters
    ----------
    path
        The batch's Parquet file.
    days
        The days that the batch stands for; a snapshot counts as the last of them.
    left_out
        Positions of rows that do not count, since they are not published.

    Returns
    -------
    pyarrow.Table
        With `profile_schema`, ordered by day and by the declared columns.

    Raises
    ------
    LakeError
        If there is no room for it.
    """
    import pyarrow as pa

    with open_duckdb(PROFILE_MEMORY) as con:
        con.execute("CREATE TABLE left_out AS SELECT unnest($1::BIGINT[]) AS position", [sorted(left_out)])
        day = literal(days[-1]) if source.arrives == "snapshot" else identifier(source.slice_column)
        kept = "ANTI JOIN left_out ON file_row_number = left_out.position" if left_out else ""
        con.execute(f"CREATE VIEW whole AS SELECT *, {day} AS profiled_day FROM {parquet_rows(path)} {kept}")
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for columns in _portions(con, source):
            its_rows = _measure(con, source, columns)
            for column, declared in columns.items():
                _count_values(con, _value(column, declared), list(its_rows[column].values()))
            _take_quantiles(con, columns, its_rows)
            found |= {(ds, column): row for column, days_of in its_rows.items() for ds, row in days_of.items()}
    empty = {"rows": 0, "nulls": 0, "not_finite": 0, "distinct": 0}
    judged = days[-1:] if source.arrives == "snapshot" else days
    rows = [
        found.get((ds, column), {"day": ds, "column": column} | empty) for ds in judged for column in source.columns
    ]
    return pa.Table.from_pylist(rows, profile_schema())


def write_profile(batch: StagedBatch, profile: pa.Table) -> None:
    """Keep a batch's profile beside it."""
    import pyarrow.parquet as pq

    with scratch_folder("profile-") as scratch:
        file = scratch / "profile.parquet"
        pq.write_table(profile, file, compression="zstd")
        run_files.put_file(file, _profile_path(batch.pipeline, batch.source, batch.digest))


def read_profiles(pipeline: Pipeline, name: str, days: Iterable[str], raw: lake.RawTable | None = None) -> pa.Table:
    """Return the profiles of those of some days that a source has published with rows, ordered by day.

    A day without a profile is left out: several batches had a part in it, or it was published without one.
    `raw` is the source's raw table where the caller has it open.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = set(days)
    by_digest: dict[str, list[str]] = {}
    raw = raw or lake.RawTable(lake.raw_uri(pipeline.name, name)).refresh()
    for ds, part in raw.partitions(pipeline.sources[name].slice_column, wanted).items():
        if part.batch:
            by_digest.setdefault(part.batch.partition("-")[0], []).append(ds)
    tables = [profile_schema().empty_table()]
    for digest, its_days in by_digest.items():
        try:
            with run_files.local_copy(_profile_path(pipeline.name, name, digest)) as file:
                profile = pq.read_table(file, schema=profile_schema())
        except FileNotFoundError:
            continue
        tables.append(profile.filter(pc.is_in(profile["day"], pa.array(its_days))))
    return pa.concat_tables(tables).sort_by("day")


def earlier_days(pipeline: Pipeline, name: str, first: str, raw: lake.RawTable | None = None) -> list[str]:
    """Return the days before `first` with which a source's days from then on are compared.

    For a snapshot they are the last `history.days` published ones, since one that does not change is not
    published; for the others, those of the calendar. `raw` is as for `read_profiles`.
    """
    source = pipeline.sources[name]
    if source.arrives == "snapshot":
        raw = raw or lake.RawTable(lake.raw_uri(pipeline.name, name)).refresh()
        there = [ds for ds in raw.partitions() if ds < first]
        return there[-source.history.days :]
    day = date.fromisoformat(first)
    return [(day - timedelta(days=back)).isoformat() for back in range(source.history.days, 0, -1)]


def _portions(con: duckdb.DuckDBPyConnection, source: Source) -> Iterator[dict[str, ColumnType]]:
    """Yield the columns in portions, each of which `batch` then has; all of them where they are not many.

    Each query on a file of thousands of columns reads what the file says of all of them.
    """
    columns = list(source.columns.items())
    if len(columns) <= PORTION:
        con.execute("CREATE VIEW batch AS FROM whole")
        yield source.columns
        return
    for start in range(0, len(columns), PORTION):
        portion = dict(columns[start : start + PORTION])
        read = identifiers(dict.fromkeys(["profiled_day", "file_row_number", source.available_at.column, *portion]))
        con.execute(f"CREATE OR REPLACE TABLE batch AS SELECT {read} FROM whole")
        yield portion


def _measure(
    con: duckdb.DuckDBPyConnection, source: Source, columns: dict[str, ColumnType]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Count each day's rows, nulls and distinct values; by column and day."""
    asked = ["count(*)", f"epoch_us(max({identifier(source.available_at.column)}))"]
    for column, declared in columns.items():
        value = _value(column, declared)
        asked += [f"count({identifier(column)})", f"count({value})", f"approx_count_distinct({value})"]
    delay, start = source.available_at.delay, datetime(1970, 1, 1, tzinfo=UTC)
    found: dict[str, dict[str, dict[str, Any]]] = {column: {} for column in columns}
    for ds, (rows, newest, *counts) in aggregate(con, asked, "batch", "profiled_day").items():
        for at, column in enumerate(columns):
            there, finite, distinct = counts[3 * at : 3 * at + 3]
            found[column][ds] = {
                "day": ds,
                "column": column,
                "rows": rows,
                "nulls": rows - there,
                "not_finite": there - finite,
                "distinct": distinct,
                "newest": None if newest is None else start + timedelta(microseconds=newest) + delay,
            }
    return found


def _count_values(con: duckdb.DuckDBPyConnection, value: str, rows: list[dict[str, Any]]) -> None:
    """Add the count of each value of a column to those of its days that have few."""
    # the estimate is within a few percent, so no day with few values is missed
    few = {row["day"]: row for row in rows if 0 < row["distinct"] <= 2 * COUNTED_VALUES}
    if not few:
        return
    counted: dict[str, dict[str, int]] = {ds: {} for ds in few}
    query = (
        f"SELECT profiled_day, left(CAST({value} AS VARCHAR), {VALUE_LENGTH}), count(*) FROM batch "
        f"WHERE {value} IS NOT NULL AND list_contains($1, profiled_day) GROUP BY ALL ORDER BY ALL"
    )
    for ds, text, count in con.execute(query, [list(few)]).fetchall():
        counted[ds][text] = count
    for ds, row in few.items():
        row["distinct"] = len(counted[ds])
        if row["distinct"] <= COUNTED_VALUES:
            row |= {"values": list(counted[ds]), "counts": list(counted[ds].values())}


def _take_quantiles(
    con: duckdb.DuckDBPyConnection, declared: dict[str, ColumnType], found: dict[str, dict[str, dict[str, Any]]]
) -> None:
    """Add the quantiles of a sample to the days and columns of many numbers or times."""
    many = {
        column: [row for row in found[column].values() if row["distinct"] > COUNTED_VALUES]
        for column, kind in declared.items()
        if kind not in ("string", "boolean")
    }
    columns = [column for column, rows in many.items() if rows]
    if not columns:
        return
    # multiples of the golden ratio are spread evenly, and no rhythm of the rows falls in with them
    pace = f"SELECT profiled_day AS day, ceil(count(*) / {SAMPLE_ROWS})::BIGINT AS every FROM batch GROUP BY ALL"
    kept = ", ".join(f"batch.{identifier(column)}" for column in columns)
    con.execute(
        f"CREATE OR REPLACE TABLE sample AS SELECT profiled_day, {kept} FROM batch "
        f"JOIN ({pace}) AS pace ON profiled_day = pace.day "
        "WHERE (file_row_number * 2654435769) & 4294967295 < 4294967296 // pace.every"
    )
    for column in columns:  # one at a time, since DuckDB holds what it takes quantiles of in memory
        value = _value(column, declared[column])
        number = f"epoch({value})" if declared[column] == "timestamp" else f"CAST({value} AS DOUBLE)"
        query = f"SELECT profiled_day, quantile_disc({number}, {QUANTILES}) FROM sample GROUP BY ALL"
        quantiles = dict(con.execute(query).fetchall())
        for row in many[column]:
            row["quantiles"] = quantiles.get(row["day"])


def _profile_path(pipeline: str, source: str, digest: str) -> Any:
    return run_files.staged_folder(pipeline, source) / f"{digest}.profile.parquet"


def _value(column: str, declared: ColumnType) -> str:
    """Return the expression of a column's value, null where it is a number that is not finite."""
    name = identifier(column)
    return f"CASE WHEN isfinite({name}) THEN {name} END" if declared == "float" else name
