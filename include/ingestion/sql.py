"""Reads the rows of a range of days from a database."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.core.errors import ConfigError, SchemaMismatch, SourceUnreadable
from include.ingestion.source_reader import Chunk, SourceReader, SourceRows
from include.ingestion.values import to_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from sqlalchemy import Connection, Engine

    from include.config.pipeline import Pipeline
    from include.config.sources import SqlSource
    from include.core.connections import Connections
    from include.ingestion.source_reader import ReadRequest

#: Rows that are fetched at a time; bounds the Python objects that live at once.
FETCH_ROWS = 50_000

#: What a server says of who asks, or for which database: the same whenever it is asked again.
_TURNED_AWAY = re.compile(
    r"authentication failed|no password supplied|does not exist|no pg_hba\.conf entry"
    r"|does not support SSL|certificate verify failed"
)


class SqlReader(SourceReader["SqlSource"]):
    """Reads the rows of a query."""

    def read(self, request: ReadRequest, connections: Connections) -> SourceRows:
        """Run the source's query for the requested days."""
        query = request.pipeline.text(self.source.query)
        engine = connections.engine(self.source.connection)
        return read_sql(self.source, query, *request.bounds, engine, request.where)

    def check(self, pipeline: Pipeline) -> None:
        """Check that the query is readable text and names no other parameters than the bounds."""
        if wrong := wrong_parameters(pipeline.text(self.source.query)):
            raise ConfigError(f"{pipeline.name}/{self.source.query}: {wrong}; correct the query")


def read_sql(source: SqlSource, query: str, start: datetime, end: datetime, engine: Engine, where: str) -> SourceRows:
    """Run a source's query for the rows from `start` (inclusive) to `end` (exclusive).

    The query runs when the first chunk is asked for, in a transaction that may only read, and its rows are
    fetched part by part. PostgreSQL's session is in UTC, whatever the server's own time zone is.

    Parameters
    ----------
    query
        SQL text with the bind parameters `:start` and `:end`. A database without a timestamp type
        (SQLite) gets them as text, `YYYY-MM-DD HH:MM:SS`.
    engine
        Where the query runs; disposed of when the chunks are exhausted or let go of.
    where
        What is read, for the error's sentence.

    Raises
    ------
    SourceUnreadable
        If the database refuses the connection or the query, or is lost while it is read.
    SchemaMismatch
        If a column holds values that no column of a table can hold.
    """
    read_from = {
        "query": source.query,
        "sha256": hashlib.sha256(query.encode()).hexdigest(),
        "start": start.astimezone(UTC).isoformat(),
        "end": end.astimezone(UTC).isoformat(),
        "rows": 0,
    }
    return SourceRows(_chunks(source, query, start, end, engine, where, read_from), read_from)


def _chunks(
    source: SqlSource,
    query: str,
    start: datetime,
    end: datetime,
    engine: Engine,
    where: str,
    read_from: dict[str, Any],
) -> Iterator[Chunk]:
    import pyarrow as pa
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    needed = {*source.columns, *source.contract.renamed}
    try:
        if wrong := wrong_parameters(query):
            raise ValueError(wrong)
        # yield_per: a cursor on the server, where the driver would else fetch all rows at once
        statement = text(only_parameters(query)).execution_options(yield_per=FETCH_ROWS)
        # only what the query names: a driver refuses a parameter that it has no place for
        bounds = {"start": _bound(start, engine), "end": _bound(end, engine)}
        bounds = {name: value for name, value in bounds.items() if name in statement.compile().params}
        with engine.connect() as connection:
            _only_read(connection)
            result = connection.execute(statement, bounds)
            names = list(result.keys())
            for rows in result.partitions(FETCH_ROWS):
                read_from["rows"] += len(rows)
                yield Chunk(_to_arrow(names, rows, needed, where), where)
            if not read_from["rows"]:  # the caller holds the columns of an empty result against the declared ones
                yield Chunk(pa.table([pa.nulls(0)] * len(names), names=names), where)
    except (SQLAlchemyError, ValueError, OverflowError) as error:  # some drivers let a bad value's own error through
        raise _unreadable(error, source, engine, where) from error
    finally:
        engine.dispose()


def _only_read(connection: Connection) -> None:
    """Let the session change nothing and, where it has a time zone, give its times in UTC."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(postgresql_readonly=True)
        # the driver reads no time with a zone in the date style of a country; and all rows of the cursor are
        # wanted, where PostgreSQL plans for the first tenth of them
        settings = {"TimeZone": "UTC", "DateStyle": "ISO", "cursor_tuple_fraction": "1"}
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        connection.exec_driver_sql(f"SELECT {calls}")
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")


def _unreadable(error: Exception, source: SqlSource, engine: Engine, where: str) -> SourceUnreadable:
    from sqlalchemy.exc import OperationalError, ResourceClosedError

    reason = next(iter(str(getattr(error, "orig", None) or error).splitlines()), type(error).__name__)
    if isinstance(error, ResourceClosedError):
        reason = "it yields no rows"
    unreadable = SourceUnreadable(
        f"{where}: the query {source.query} failed on connection '{source.connection}': {reason}; "
        "correct the query, which must be one SELECT, or the connection; nothing was published"
    )
    # SQLite says so of a missing table as well, and has no server that could come back; but who locks it will end
    failed_server = isinstance(error, OperationalError) and (engine.dialect.name != "sqlite" or "locked" in reason)
    lost = getattr(error, "connection_invalidated", False)
    # a wrong password stays wrong, and asking again with it may lock the account
    unreadable.retryable = (failed_server or lost) and not _TURNED_AWAY.search(reason)
    return unreadable


#: A string, a quoted name, or a comment.
_LEXEME = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/""", re.DOTALL)

#: What has colons that name no parameter: a string, a quoted name, or PostgreSQL's cast.
_NO_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|::""")


def without_comments(query: str) -> str:
    """Drop a query's comments; what looks like one in a string stays."""
    return _LEXEME.sub(lambda found: " " if found[0].startswith(("--", "/*")) else found[0], query)


def only_parameters(query: str) -> str:
    """Drop a query's comments and mask the colons that name no parameter, as in 'at :noon' and `:start::date`."""
    # SQLAlchemy takes the backslash away again
    return _NO_PARAMETER.sub(lambda found: found[0].replace(":", r"\:"), without_comments(query))


def wrong_parameters(query: str) -> str | None:
    """Return what is wrong with a query's parameters, None where it names the bounds or nothing."""
    from sqlalchemy import text

    for bound in ("start", "end"):
        if re.search(rf"""(['"]):{bound}\1""", without_comments(query)):
            return f"it has :{bound} in quotes, where it is a text and no bound of the days; remove the quotes"
    others = sorted(text(only_parameters(query)).compile().params.keys() - {"start", "end"})
    if others:
        return f"it names the parameter :{others[0]}, and only :start and :end are filled in"
    return None


def _bound(moment: datetime, engine: Engine) -> datetime | str:
    moment = moment.astimezone(UTC)
    if engine.dialect.name == "postgresql":
        return moment  # a timestamp with time zone, which compares rightly with either kind of column
    moment = moment.replace(tzinfo=None)
    return moment.isoformat(sep=" ") if engine.dialect.name == "sqlite" else moment


def _to_arrow(names: list[str], rows: Sequence[Sequence[Any]], needed: set[str], where: str) -> pa.Table:
    """Return rows as a table; a column that nobody needs, and Arrow has no type for, arrives as nulls."""
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
