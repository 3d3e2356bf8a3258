"""DuckDB connections that use only their share of threads and memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.core import settings
from include.core.errors import LakeError
from include.core.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from duckdb import DuckDBPyConnection

#: Maximum number of aggregates in one query. DuckDB keeps the aggregates of a group in one row and in memory. If the
#: row is larger than a block (about 250 `approx_count_distinct`), the process ends with SIGFPE and no message.
AGGREGATES_AT_ONCE = 100


@contextmanager
def open_duckdb(memory: str) -> Iterator[DuckDBPyConnection]:
    """Open an in-memory database whose times are in UTC.

    Parameters
    ----------
    memory
        How much memory a query may use before it spills to temporary files, such as 300MB.

    Raises
    ------
    LakeError
        If a query has no room for temporary files, or cannot find a file that it reads.
    """
    import duckdb

    try:
        with scratch_folder("duckdb-") as spill, duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            con.execute(f"SET threads = {settings.threads()}")
            con.execute("SET temp_directory = ?", [str(spill)])
            con.execute("SET memory_limit = ?", [memory])
            con.execute("SET enable_progress_bar = false")  # the bar would fill the task's log
            yield con
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise LakeError(
            f"the query over the rows failed ({str(error).splitlines()[0]}); make room in the folder of temporary "
            "files, or name a larger one in TMPDIR, then run this task again; nothing was published"
        ) from error


def aggregate(
    con: DuckDBPyConnection, expressions: Sequence[str], table: str, group_by: str | None = None
) -> dict[Any, list[Any]]:
    """Return any number of aggregates, using several queries where one query would have too many.

    Parameters
    ----------
    expressions
        The SQL of each aggregate.
    table
        The SQL after FROM.
    group_by
        The SQL expression that groups the rows; None: all rows are one group.

    Returns
    -------
    dict
        The values of `expressions` by group, in the order of the groups; the key of all rows is None.
    """
    found: dict[Any, list[Any]] = {} if group_by else {None: []}
    for start in range(0, len(expressions), AGGREGATES_AT_ONCE):
        portion = ", ".join(expressions[start : start + AGGREGATES_AT_ONCE])
        # count(*) makes the query return one row even where every other aggregate is a subquery
        query = f"SELECT {group_by or 'NULL'}, count(*), {portion} FROM {table}" + (
            " GROUP BY 1 ORDER BY 1" if group_by else ""
        )
        for group, _, *values in con.execute(query).fetchall():
            found.setdefault(group, []).extend(values)
    return found
