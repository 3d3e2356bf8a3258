"""Fills the tables that features.sql reads with the rows of each source that were known in time, in plain UTC.

They are tables and not views: without row counts DuckDB plans an as-of join as if one side had a single row, which took
seventy times as long on a year of data.
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

#: Optimizers that drop columns and scans from the plan because the tables are still empty.
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
    """Create the tables that features.sql may name, with all their columns and without rows.

    Parameters
    ----------
    tables
        The raw tables by source.
    seen
        The part of a source that each table shows; None: one table for each source, with all columns.
    """
    for name, shown in (seen or {name: QueryTable(name) for name in tables}).items():
        table = tables[shown.source]
        con.register(_raw(name), table)
        columns = ", ".join(_expressions(table.schema, shown).values())
        con.execute(f"CREATE TABLE {identifier(name)} AS SELECT {columns} FROM {identifier(_raw(name))} LIMIT 0")


def used_columns(con: DuckDBPyConnection, query: str) -> dict[str, set[str]]:
    """Return the columns that a query reads of each table.

    They are taken from DuckDB's plan, so that stars, natural joins and macros need no rules here.

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
    for table, projections in _scans(plan):
        name, listed = table.rsplit(".", 1)[-1].strip('"'), f"\n{projections}\n"
        read = (column for column in con.table(identifier(name)).columns if _as_listed(column) in listed)
        used.setdefault(name, set()).update(read)
    return used


def _as_listed(column: str) -> str:
    """Return a column as a plan lists it, which treats each line of the name as a name."""
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
    """Fill the tables of `create_tables` with rows; columns that are not used stay null.

    Parameters
    ----------
    used
        The columns to read of each table; None: all.
    known_before
        Read only rows with an `available_at` in the table before this time; None: all.
    raw_since
        The oldest partition to read of a source that is not a snapshot; None: all.
    as_of
        Read only rows that the run as of this day sees; None: all.
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
            # a query that only counts a table's rows uses no column, but one must be read
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
    """Return rows in batches as large as DuckDB's row groups; many small batches, such as a file a day, are slow."""
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
    """Return the SQL that reads each column, by name, without the lake's own column `batch`.

    For a timestamp with a zone DuckDB uses the calendar functions of ICU, which are many times slower. DuckDB sorts a
    NaN above every number; days published before ingestion replaced it by null still hold it.
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


def _scans(plan: Any) -> Iterator[tuple[str, str]]:
    """Yield the table of each scan in a plan, and its projections, one on a line."""
    for node in plan:
        if "Table" in (scan := node["extra_info"]):
            lines = scan.get("Projections") or []
            yield scan["Table"], lines if isinstance(lines, str) else "\n".join(lines)
        yield from _scans(node["children"])
