"""Reads the rows of a range of days from a database."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.errors import SchemaMismatch, SourceUnreadable
from include.ingestion.contract import conform, empty_table

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Engine

    from include.config import SqlSource

#: Rows that are fetched at a time; bounds the Python objects that live at once.
FETCH_ROWS = 50_000


def read_sql(source: SqlSource, query: str, start: datetime, end: datetime, engine: Engine, where: str) -> pa.Table:
    """Run a source's query for the rows from `start` (inclusive) to `end` (exclusive).

    Parameters
    ----------
    query
        SQL text with the bind parameters `:start` and `:end`. A database without a timestamp type
        (SQLite) gets them as text, `YYYY-MM-DD HH:MM:SS`.
    engine
        Where the query runs; disposed of afterwards.
    where
        What is read, for the error's sentence.

    Raises
    ------
    SourceUnreadable
        If the database refuses the connection or the query.
    SchemaMismatch
        If the result is not of the declared columns and types.
    """
    import pyarrow as pa
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError, ResourceClosedError, SQLAlchemyError

    statement = text(only_parameters(query))
    # only what the query names: a driver refuses a parameter that it has no place for
    bounds = {"start": _bound(start, engine), "end": _bound(end, engine)}
    bounds = {name: value for name, value in bounds.items() if name in statement.compile().params}
    tables = []
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            result = connection.execute(statement, bounds)
            names = list(result.keys())
            for rows in result.partitions(FETCH_ROWS):
                table = _to_arrow(names, [tuple(row) for row in rows], where)
                tables.append(conform(table, source.columns, where))
            if not tables:  # the columns of an empty result are still held against the declared ones
                table = pa.table({name: pa.array([], pa.null()) for name in names})
                return conform(table, source.columns, where) if names else empty_table(source.columns)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        if isinstance(error, ResourceClosedError):
            reason = "it yields no rows; it must be one SELECT"
        unreadable = SourceUnreadable(
            f"{where}: the query {source.query} failed on connection '{source.connection}': {reason}; "
            "correct the query or the connection; nothing was published"
        )
        # SQLite says so of a missing table as well, and has no server that could come back
        unreadable.retryable = isinstance(error, OperationalError) and engine.dialect.name != "sqlite"
        raise unreadable from error
    finally:
        engine.dispose()
    return pa.concat_tables(tables)


#: A string, a quoted name, or a comment.
_LEXEME = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/""", re.DOTALL)


def without_comments(query: str) -> str:
    """Drop a query's comments; what looks like one in a string stays."""
    return _LEXEME.sub(lambda found: " " if found[0].startswith(("--", "/*")) else found[0], query)


def only_parameters(query: str) -> str:
    """Drop a query's comments and mask colons in its strings: `:start` counts as a parameter in neither."""
    # SQLAlchemy takes the backslash away again
    mask = re.compile(r"(?<![:\w\\]):(?=\w)")
    return _LEXEME.sub(lambda found: mask.sub(r"\:", found[0]), without_comments(query))


def _bound(moment: datetime, engine: Engine) -> datetime | str:
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(sep=" ") if engine.dialect.name == "sqlite" else moment


def _to_arrow(names: list[str], rows: list[tuple[Any, ...]], where: str) -> pa.Table:
    import pyarrow as pa

    arrays = []
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        try:
            arrays.append(pa.array(values, from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            kinds = sorted({type(value).__name__ for value in values if value is not None})
            raise SchemaMismatch(
                f"{where}: column '{name}' holds values of several types ({', '.join(kinds)}); cast it to one "
                "type in the source's query; nothing was published"
            ) from error
    return pa.table(arrays, names=names)
