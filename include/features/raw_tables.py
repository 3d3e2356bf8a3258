"""The tables that features.sql reads: of each source what was known in time, in plain UTC.

Tables and not views: without a table's row counts DuckDB plans as-of joins as if a side had one row, which was
measured to take seventy times as long on a year of data.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date, datetime

    import pyarrow as pa
    from duckdb import DuckDBPyConnection
    from pyarrow.dataset import Dataset, Scanner

    from include.config import Pipeline

#: With these a plan would leave out columns and scans that only rows, which are not there yet, make needed.
_NEED_ROWS = (
    "empty_result_pullup",
    "filter_pushdown",
    "filter_pullup",
    "join_filter_pushdown",
    "late_materialization",
    "statistics_propagation",
)

_ROW_GROUP_ROWS = 122_880


def create_tables(con: DuckDBPyConnection, tables: Mapping[str, pa.Table | Dataset]) -> None:
    """Make a table without rows for each source, of all the columns that features.sql may name."""
    for name, table in tables.items():
        con.register(_raw(name), table)
        columns = ", ".join(_expressions(table.schema).values())
        con.execute(f'CREATE TABLE "{name}" AS SELECT {columns} FROM "{_raw(name)}" LIMIT 0')


def used_columns(con: DuckDBPyConnection, query: str) -> dict[str, set[str]]:
    """Return the columns that a query reads of each table.

    DuckDB's own plan tells, so that a star, a natural join or a macro need no rules here.

    Parameters
    ----------
    con
        Has the tables, without rows.
    query
        One SELECT that DuckDB can bind.
    """
    con.execute(f"SET disabled_optimizers = '{','.join(_NEED_ROWS)}'")
    plan = json.loads(con.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchall()[0][1])
    con.execute("RESET disabled_optimizers")
    used: dict[str, set[str]] = {}
    for scan in _scans(plan):
        columns = scan.get("Projections") or []
        name = scan["Table"].rsplit(".", 1)[-1].strip('"')
        used.setdefault(name, set()).update([columns] if isinstance(columns, str) else columns)
    return used


def fill_tables(
    con: DuckDBPyConnection,
    pipeline: Pipeline,
    tables: Mapping[str, pa.Table | Dataset],
    used: Mapping[str, Iterable[str]] | None,
    known_before: datetime,
    raw_since: date | None,
) -> None:
    """Put the rows into the tables of `create_tables`; columns that are not used stay null.

    Parameters
    ----------
    used
        The columns to read of each table; None: all.
    known_before
        Only rows with an `available_at` before it are there.
    raw_since
        The oldest partition of a source that is no snapshot; None: all.
    """
    import pyarrow as pa

    for name, table in tables.items():
        conditions = [f"available_at < TIMESTAMPTZ '{known_before.isoformat(' ')}+00'"]
        if raw_since is not None and pipeline.sources[name].arrives != "snapshot":
            conditions.append(f"ds >= '{raw_since}'")
        expressions = _expressions(table.schema)
        if used is not None:
            # a table of which only the number of rows counts must be given some column
            wanted = set(used.get(name, ())) or {"available_at"}
            expressions = {column: each for column, each in expressions.items() if column in wanted}
        columns = ", ".join(f'"{column}"' for column in expressions)
        if not isinstance(table, pa.Table):
            read = [column for column in table.schema.names if column in {*expressions, "available_at", "ds"}]
            con.register(_raw(name), _in_large_batches(table.scanner(columns=read)))
        con.execute(
            f'INSERT INTO "{name}" ({columns}) SELECT {", ".join(expressions.values())} FROM "{_raw(name)}" '
            f"WHERE {' AND '.join(conditions)}"
        )
        con.unregister(_raw(name))


def _in_large_batches(scanner: Scanner) -> pa.RecordBatchReader:
    """Return rows in batches of a row group of DuckDB: of small ones, as from a file a day, each costs its own time."""
    import pyarrow as pa

    def merged() -> Iterator[pa.RecordBatch]:
        batches: list[pa.RecordBatch] = []
        for batch in scanner.to_batches():
            batches.append(batch)
            if sum(each.num_rows for each in batches) >= _ROW_GROUP_ROWS:
                yield pa.concat_batches(batches)
                batches = []
        if batches:
            yield pa.concat_batches(batches)

    return pa.RecordBatchReader.from_batches(scanner.projected_schema, merged())


def _raw(name: str) -> str:
    return f"{name}__raw"


def _expressions(schema: pa.Schema) -> dict[str, str]:
    """Return how each column is read, by its name; `batch` is the lake's own.

    A timestamp with a zone makes DuckDB use calendar functions of ICU, which are many times slower. A NaN, which days
    hold that were published before ingestion made it null, is more than every number to DuckDB.
    """
    import pyarrow as pa

    read = {}
    for field in schema:
        name = f'"{field.name}"'
        if pa.types.is_timestamp(field.type) and field.type.tz:
            read[field.name] = f"make_timestamp(epoch_us({name})) AS {name}"
        elif pa.types.is_floating(field.type):
            read[field.name] = f"CASE WHEN NOT isnan({name}) THEN {name} END AS {name}"
        elif field.name != "batch":
            read[field.name] = name
    return read


def _scans(plan: Any) -> Iterator[dict[str, Any]]:
    """Yield what a plan says of each scan of a table."""
    for node in plan:
        if "Table" in node["extra_info"]:
            yield node["extra_info"]
        yield from _scans(node["children"])
