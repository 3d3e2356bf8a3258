"""Profiles the columns of each day, small enough that a month of days is compared in a moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from include.core.duckdb_connection import aggregate, open_duckdb
from include.core.sql_text import identifier, identifiers, literal, parquet_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from include.config.sources import ColumnType, Source

#: Memory that profiling a batch may take before it spills to the disk.
PROFILE_MEMORY = "300MB"

#: How many columns are profiled at a time.
PORTION = 100

#: Each value of a column is counted on days with at most this many distinct values.
COUNTED_VALUES = 50

#: About this many rows of a day are sampled for its quantiles.
SAMPLE_ROWS = 10_000

#: Longer texts are cut to this many characters, so that a profile stays small.
VALUE_LENGTH = 100

#: Shares of the rows at which quantiles are kept.
QUANTILES = [n / 100 for n in range(101)]


@dataclass
class ColumnProfile:
    """The profile of one column on one day.

    Attributes
    ----------
    rows
        Rows of the day; 0 if it has none.
    nulls, not_finite
        Rows in which the column is null, and rows in which it is NaN or infinite.
    distinct
        Number of distinct values: exact if they are counted, else estimated to within about 6 %.
    newest
        The day's newest `available_at`, the same for all its columns.
    values, counts
        The values as text, and how many rows each has; None if there are more than `COUNTED_VALUES`.
    quantiles
        Quantiles of the finite values at the shares of `QUANTILES`, timestamps as seconds since 1970; None if the
        values are counted, and for texts.
    """

    day: str
    column: str
    rows: int = 0
    nulls: int = 0
    not_finite: int = 0
    distinct: int = 0
    newest: datetime | None = None
    values: list[str] | None = None
    counts: list[int] | None = None
    quantiles: list[float] | None = None


def column_profiles(profile: pa.Table) -> list[ColumnProfile]:
    """Return the rows of a profile."""
    return [ColumnProfile(**row) for row in profile.to_pylist()]


def profile_schema() -> pa.Schema:
    """Return the columns of a profile: the fields of `ColumnProfile`, a row for each day and column."""
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
    """Return the profile of a staged batch; the same file always gives the same profile.

    Parameters
    ----------
    path
        The batch's Parquet file.
    days
        The days of the batch; a snapshot counts as the last one.
    left_out
        Positions of rows to leave out, since they are not published.

    Returns
    -------
    pyarrow.Table
        With `profile_schema`, ordered by day and by the declared columns.

    Raises
    ------
    LakeError
        If the disk has no room for it.
    """
    import pyarrow as pa

    with open_duckdb(PROFILE_MEMORY) as con:
        con.execute("CREATE TABLE left_out AS SELECT unnest($1::BIGINT[]) AS position", [sorted(left_out)])
        day = literal(days[-1]) if source.arrives == "snapshot" else identifier(source.slice_column)
        kept = "ANTI JOIN left_out ON file_row_number = left_out.position" if left_out else ""
        con.execute(f"CREATE VIEW whole AS SELECT *, {day} AS profiled_day FROM {parquet_rows(path)} {kept}")
        found: dict[tuple[str, str], ColumnProfile] = {}
        for columns in _portions(con, source):
            measured = _measure(con, source, columns)
            for column, declared in columns.items():
                _count_values(con, _finite_value(column, declared), list(measured[column].values()))
            _take_quantiles(con, columns, measured)
            found |= {(ds, column): each for column, by_day in measured.items() for ds, each in by_day.items()}
    profiled = days[-1:] if source.arrives == "snapshot" else days
    profiles = [found.get((ds, column)) or ColumnProfile(ds, column) for ds in profiled for column in source.columns]
    return pa.Table.from_pylist([asdict(each) for each in profiles], profile_schema())


def _portions(con: duckdb.DuckDBPyConnection, source: Source) -> Iterator[dict[str, ColumnType]]:
    """Yield the columns in portions; `batch` then holds the columns of the portion.

    Every query on a file of thousands of columns reads the metadata of all of them, so the portions are copied.
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
) -> dict[str, dict[str, ColumnProfile]]:
    """Count each day's rows, nulls and distinct values, by column and day."""
    aggregates = ["count(*)", f"epoch_us(max({identifier(source.available_at.column)}))"]
    for column, declared in columns.items():
        value = _finite_value(column, declared)
        aggregates += [f"count({identifier(column)})", f"count({value})", f"approx_count_distinct({value})"]
    delay, start = source.available_at.delay, datetime(1970, 1, 1, tzinfo=UTC)
    found: dict[str, dict[str, ColumnProfile]] = {column: {} for column in columns}
    for ds, (rows, newest, *counts) in aggregate(con, aggregates, "batch", "profiled_day").items():
        for at, column in enumerate(columns):
            not_null, finite, distinct = counts[3 * at : 3 * at + 3]
            found[column][ds] = ColumnProfile(
                day=ds,
                column=column,
                rows=rows,
                nulls=rows - not_null,
                not_finite=not_null - finite,
                distinct=distinct,
                newest=None if newest is None else start + timedelta(microseconds=newest) + delay,
            )
    return found


def _count_values(con: duckdb.DuckDBPyConnection, value: str, profiles: list[ColumnProfile]) -> None:
    """Count each value of a column on the days that have few."""
    # the estimate is within a few percent, so no day with few values is missed
    few = {each.day: each for each in profiles if 0 < each.distinct <= 2 * COUNTED_VALUES}
    if not few:
        return
    counted: dict[str, dict[str, int]] = {ds: {} for ds in few}
    query = (
        f"SELECT profiled_day, left(CAST({value} AS VARCHAR), {VALUE_LENGTH}), count(*) FROM batch "
        f"WHERE {value} IS NOT NULL AND list_contains($1, profiled_day) GROUP BY ALL ORDER BY ALL"
    )
    for ds, text, count in con.execute(query, [list(few)]).fetchall():
        counted[ds][text] = count
    for ds, profile in few.items():
        profile.distinct = len(counted[ds])
        if profile.distinct <= COUNTED_VALUES:
            profile.values, profile.counts = list(counted[ds]), list(counted[ds].values())


def _take_quantiles(
    con: duckdb.DuckDBPyConnection, declared: dict[str, ColumnType], found: dict[str, dict[str, ColumnProfile]]
) -> None:
    """Take the quantiles of a sample for the columns and days with many numbers or times."""
    many = {
        column: [each for each in found[column].values() if each.distinct > COUNTED_VALUES]
        for column, kind in declared.items()
        if kind not in ("string", "boolean")
    }
    columns = [column for column, profiles in many.items() if profiles]
    if not columns:
        return
    # multiples of the golden ratio are spread evenly and do not coincide with a rhythm of the rows
    pace = f"SELECT profiled_day AS day, ceil(count(*) / {SAMPLE_ROWS})::BIGINT AS every FROM batch GROUP BY ALL"
    kept = ", ".join(f"batch.{identifier(column)}" for column in columns)
    con.execute(
        f"CREATE OR REPLACE TABLE sample AS SELECT profiled_day, {kept} FROM batch "
        f"JOIN ({pace}) AS pace ON profiled_day = pace.day "
        "WHERE (file_row_number * 2654435769) & 4294967295 < 4294967296 // pace.every"
    )
    for column in columns:  # one at a time, since DuckDB keeps the values of a quantile in memory
        value = _finite_value(column, declared[column])
        number = f"epoch({value})" if declared[column] == "timestamp" else f"CAST({value} AS DOUBLE)"
        query = f"SELECT profiled_day, quantile_disc({number}, {QUANTILES}) FROM sample GROUP BY ALL"
        quantiles = dict(con.execute(query).fetchall())
        for profile in many[column]:
            profile.quantiles = quantiles.get(profile.day)


def _finite_value(column: str, declared: ColumnType) -> str:
    """Return the SQL of a column's value, which is null for a number that is not finite."""
    name = identifier(column)
    return f"CASE WHEN isfinite({name}) THEN {name} END" if declared == "float" else name
