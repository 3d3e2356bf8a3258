"""Reads rows for a range of days from a database."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.core.errors import ConfigError, SchemaMismatch, SourceUnreadable
from include.ingestion.read_record import Moment, ReadRecord
from include.ingestion.source_reader import Chunk, SourceReader, SourceRows
from include.ingestion.values import to_array

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import pyarrow as pa
    from sqlalchemy import Connection, Engine

    from include.config.pipeline import Pipeline
    from include.config.sources.sql_source import SqlSource
    from include.core.connections import Connections
    from include.ingestion.source_reader import ReadRequest

#: Rows fetched at a time, which bounds the Python objects in memory.
FETCH_ROWS = 50_000

#: Messages of a server that refuses the user or the database, which a retry cannot change.
_ACCESS_REFUSED = re.compile(
    r"authentication failed|no password supplied|does not exist|no pg_hba\.conf entry"
    r"|does not support SSL|certificate verify failed"
)


@dataclass(frozen=True)
class SqlRead(ReadRecord):
    """The query's file with its SHA-256, the bounds (`end` exclusive), and the number of rows."""

    query: str
    sha256: str
    start: Moment
    end: Moment
    rows: int


class SqlReader(SourceReader["SqlSource", SqlRead]):
    """Reads the rows of a query."""

    record = SqlRead

    def read(self, request: ReadRequest, connections: Connections) -> SourceRows[SqlRead]:
        """Run the source's query for the requested days."""
        query = request.pipeline.text(self.source.query)
        engine = connections.engine(self.source.connection)
        return read_sql(self.source, query, *request.bounds, engine, request.where)

    def check(self, pipeline: Pipeline) -> None:
        """Check that the query is readable text and names no other parameters than the bounds."""
        if wrong := wrong_parameters(pipeline.text(self.source.query)):
            raise ConfigError(f"{pipeline.name}/{self.source.query}: {wrong}; correct the query")


def read_sql(
    source: SqlSource, query: str, start: datetime, end: datetime, engine: Engine, where: str
) -> SourceRows[SqlRead]:
    """Run a source's query for the rows from `start` (inclusive) to `end` (exclusive).

    The query runs when the first chunk is requested, in a read-only transaction, and its rows are fetched in parts.
    A PostgreSQL session is in UTC, whatever the server's time zone.

    Parameters
    ----------
    query
        SQL text with the bind parameters `:start` and `:end`. A database without a timestamp type
        (SQLite) receives them as text, `YYYY-MM-DD HH:MM:SS`.
    engine
        The database's engine, which is disposed of once the chunks are exhausted or closed.
    where
        The pipeline, source and days, for an error's sentence.

    Raises
    ------
    SourceUnreadable
        If the database refuses the connection or the query, or the connection is lost.
    SchemaMismatch
        If a column holds values of a type that Arrow does not have.
    """
    return SourceRows(_chunks(source, query, start, end, engine, where))


def _chunks(
    source: SqlSource,
    query: str,
    start: datetime,
    end: datetime,
    engine: Engine,
    where: str,
) -> Generator[Chunk, None, SqlRead]:
    import pyarrow as pa
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    needed = {*source.columns, *source.contract.renamed}
    count = 0
    try:
        if wrong := wrong_parameters(query):
            raise ValueError(wrong)
        # yield_per uses a cursor on the server; otherwise the driver would fetch all rows at once
        statement = text(mask_other_colons(query)).execution_options(yield_per=FETCH_ROWS)
        # a driver refuses a parameter that the query does not name
        bounds = {"start": _bound(start, engine), "end": _bound(end, engine)}
        bounds = {name: value for name, value in bounds.items() if name in statement.compile().params}
        with engine.connect() as connection:
            _make_read_only(connection)
            result = connection.execute(statement, bounds)
            names = list(result.keys())
            for rows in result.partitions(FETCH_ROWS):
                count += len(rows)
                yield Chunk(_to_arrow(names, rows, needed, where), where)
            if not count:  # the caller checks the columns of an empty result too
                yield Chunk(pa.table([pa.nulls(0)] * len(names), names=names), where)
    except (SQLAlchemyError, ValueError, OverflowError) as error:  # some drivers raise the bare error of a bad value
        raise _unreadable(error, source, engine, where) from error
    finally:
        engine.dispose()
    return SqlRead(
        query=source.query,
        sha256=hashlib.sha256(query.encode()).hexdigest(),
        start=start.astimezone(UTC),
        end=end.astimezone(UTC),
        rows=count,
    )


def _make_read_only(connection: Connection) -> None:
    """Make the session read-only and, if it has a time zone, set it to UTC."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(postgresql_readonly=True)
        # the driver parses zoned times only in ISO style; and PostgreSQL plans a cursor for its first tenth of rows
        # unless told otherwise
        settings = {"TimeZone": "UTC", "DateStyle": "ISO", "cursor_tuple_fraction": "1"}
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        connection.exec_driver_sql(f"SELECT {calls}")
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")


def _unreadable(error: Exception, source: SqlSource, engine: Engine, where: str) -> SourceUnreadable:
    from sqlalchemy.exc import OperationalError, ResourceClosedError

    reason = next(iter(str(getattr(error, "orig", None) or error).splitlines()), type(error).__name__)
    if isinstance(error, ResourceClosedError):
        reason = "it returns no rows"
    unreadable = SourceUnreadable(
        f"{where}: the query {source.query} failed on connection '{source.connection}': {reason}; "
        "correct the query, which must be one SELECT, or the connection; nothing was published"
    )
    # SQLite raises OperationalError for a missing table too and has no server that could recover; a lock will end
    failed_server = isinstance(error, OperationalError) and (engine.dialect.name != "sqlite" or "locked" in reason)
    lost = getattr(error, "connection_invalidated", False)
    # a retry with a wrong password may lock the account
    unreadable.retryable = (failed_server or lost) and not _ACCESS_REFUSED.search(reason)
    return unreadable


#: A string, a quoted name, or a comment.
_LEXEME = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/""", re.DOTALL)

#: Text whose colons name no parameter: a string, a quoted name, or PostgreSQL's cast.
_NO_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|::""")


def remove_comments(query: str) -> str:
    """Return a query without its comments; strings stay unchanged."""
    return _LEXEME.sub(lambda found: " " if found[0].startswith(("--", "/*")) else found[0], query)


def mask_other_colons(query: str) -> str:
    """Remove a query's comments and escape colons that name no parameter, as in 'at :noon' and `:start::date`."""
    # SQLAlchemy removes the backslash again
    return _NO_PARAMETER.sub(lambda found: found[0].replace(":", r"\:"), remove_comments(query))


def wrong_parameters(query: str) -> str | None:
    """Return what is wrong with a query's parameters; None if it names no others than the bounds."""
    from sqlalchemy import text

    for bound in ("start", "end"):
        if re.search(rf"""(['"]):{bound}\1""", remove_comments(query)):
            return f"it has :{bound} in quotes, where it is text and not a bound of the days; remove the quotes"
    others = sorted(text(mask_other_colons(query)).compile().params.keys() - {"start", "end"})
    if others:
        return f"it names the parameter :{others[0]}, and only :start and :end are filled in"
    return None


def _bound(moment: datetime, engine: Engine) -> datetime | str:
    moment = moment.astimezone(UTC)
    if engine.dialect.name == "postgresql":
        return moment  # a timestamp with time zone compares correctly with columns with and without one
    moment = moment.replace(tzinfo=None)
    return moment.isoformat(sep=" ") if engine.dialect.name == "sqlite" else moment


def _to_arrow(names: list[str], rows: Sequence[Sequence[Any]], needed: set[str], where: str) -> pa.Table:
    """Return rows as a table; an undeclared column whose values have no Arrow type becomes null."""
    import pyarrow as pa

    arrays = []
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        try:
            arrays.append(to_array(values))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            if name not in needed:
                arrays.append(pa.nulls(len(values)))
                continue
            kinds = sorted({type(value).__name__ for value in values if value is not None})
            raise SchemaMismatch(
                f"{where}: column '{name}' holds values of a type that the lake does not have ({', '.join(kinds)}); "
                "cast it to text in the source's query; nothing was published"
            ) from error
    return pa.table(arrays, names=names)
