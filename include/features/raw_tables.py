"""The tables that features.sql reads: of each source what was known in time, in plain UTC.

Tables and not views: without a table's row counts DuckDB plans as-of joins as if a side had one row, which was
measured to take seventy times as long on a year of data.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include.core.as_of import seen_condition
from include.core.sql_text import identifier, identifiers, literal
from include.features.query_tables import QueryTable, query_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date, datetime

    import pyarrow as pa
    from duckdb import DuckDBPyConnection
    from pyarrow.dataset import Dataset, Scanner

    from include.config.pipeline import Pipeline

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


def create_tables(
    con: DuckDBPyConnection, tables: Mapping[str, pa.Table | Dataset], seen: Mapping[str, QueryTable] | None = None
) -> None:
    """Make the tables that features.sql may name, with all their columns and without rows.

    Parameters
    ----------
    tables
        The raw tables by source.
    seen
        What each table shows of a source; None: one table a source, with all of it.
    """
    for name, shown in (seen or {name: QueryTable(name) for name in tables}).items():
        table = tables[shown.source]
        con.register(_raw(name), table)
        columns = ", ".join(_expressions(table.schema, shown).values())
        con.execute(f"CREATE TABLE {identifier(name)} AS SELECT {columns} FROM {identifier(_raw(name))} LIMIT 0")


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
        lines = scan.get("Projections") or []
        name = scan["Table"].rsplit(".", 1)[-1].strip('"')
        listed = "\n".join(["", *([lines] if isinstance(lines, str) else lines), ""])
        read = (column for column in con.table(identifier(name)).columns if _as_listed(column) in listed)
        used.setdefault(name, set()).update(read)
    return used


def _as_listed(column: str) -> str:
    """Return a column as a plan lists it, which takes each line of its name for a name."""
    return "\n".join(["", *filter(None, column.split("\n")), ""])


def fill_tables(
    con: DuckDBPyConnection,
    pipeline: Pipeline,
    tables: Mapping[str, pa.Table | Dataset],
    used: Mapping[str, Iterable[str]] | None,
    known_before: datetime | None,
    raw_since: date | None,
    as_of: date | None = None,
) -> None:
    """Put the rows into the tables of `create_tables`; columns that are not used stay null.

    Parameters
    ----------
    used
        The columns to read of each table; None: all.
    known_before
        Only rows with an `available_at`, as the table has it, before it are there; None: all.
    raw_since
        The oldest partition of a source that is no snapshot; None: all.
    as_of
        Only rows that the run as of this day sees are there; None: all.
    """
    import pyarrow as pa

    for name, shown in query_tables(pipeline).items():
        if shown.source not in tables:
            continue
        table = tables[shown.source]
        conditions = []
        if known_before is not None:
            conditions.append(f"available_at < {literal(known_before - shown.delay)}")
        if as_of is not None:
            conditions.append(seen_condition(as_of, shown.delay))
        if raw_since is not None and pipeline.sources[shown.source].arrives != "snapshot":
            conditions.append(f"ds >= {literal(raw_since.isoformat())}")
        expressions = _expressions(table.schema, shown)
        if used is not None:
            # a table of which only the number of rows counts must be given some column
            wanted = set(used.get(name, ())) or {"available_at"}
            expressions = {column: each for column, each in expressions.items() if column in wanted}
        columns = identifiers(expressions)
        if not isinstance(table, pa.Table):
            read = [column for column in table.schema.names if column in {*expressions, "available_at", "ds"}]
            con.register(_raw(name), _in_large_batches(table.scanner(columns=read)))
        con.execute(
            f"INSERT INTO {identifier(name)} ({columns}) SELECT {', '.join(expressions.values())} "
            f"FROM {identifier(_raw(name))} WHERE {' AND '.join(conditions)}"
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


def _expressions(schema: pa.Schema, shown: QueryTable) -> dict[str, str]:
    """Return how each column is read, by its name; `batch` is the lake's own.

    A timestamp with a zone makes DuckDB use calendar functions of ICU, which are many times slower. A NaN, which days
    hold that were published before ingestion made it null, is more than every number to DuckDB.
    """
    import pyarrow as pa

    expressions = {}
    for field in schema:
        if field.name == "batch" or field.name in shown.hidden:
            continue
        value = column = identifier(field.name)
        if pa.types.is_timestamp(field.type) and field.type.tz:
            value = f"make_timestamp(epoch_us({column}))"
        elif pa.types.is_floating(field.type):
            value = f"CASE WHEN NOT isnan({column}) THEN {column} END"
        if field.name == "available_at" and shown.delay:
            value = f"{value} + to_microseconds({shown.delay // timedelta(microseconds=1)})"
        expressions[field.name] = f"{value} AS {column}"
    return expressions


def _scans(plan: Any) -> Iterator[dict[str, Any]]:
    """Yield what a plan says of each scan of a table."""
    for node in plan:
        if "Table" in node["extra_info"]:
            yield node["extra_info"]
        yield from _scans(node["children"])
