"""DuckDB, kept to its share of the machine."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.core import settings
from include.core.errors import LakeError
from include.core.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from duckdb import DuckDBPyConnection

#: Aggregates that one query is asked for. DuckDB keeps those of a group in one row, and where that is larger than a
#: block (some 250 `approx_count_distinct`), the process ends by SIGFPE without a word; all are in memory at once.
AGGREGATES_AT_ONCE = 100


@contextmanager
def open_duckdb(memory: str) -> Iterator[DuckDBPyConnection]:
    """Open a database in memory, in which times are in UTC.

    Parameters
    ----------
    memory
        How much memory a query may take before it spills to temporary files, such as 300MB.

    Raises
    ------
    LakeError
        If a query finds no room for temporary files, or no file to read.
    """
    import duckdb

    try:
        with scratch_folder("duckdb-") as spill, duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            con.execute(f"SET threads = {settings.threads()}")
            con.execute("SET temp_directory = ?", [str(spill)])
            con.execute("SET memory_limit = ?", [memory])
            con.execute("SET enable_progress_bar = false")  # it would be written into the task's log
            yield con
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise LakeError(
            f"the rows could not be worked on ({str(error).splitlines()[0]}); make room in the folder of temporary "
            "files, or name a larger one in TMPDIR, then run this task again; nothing was published"
        ) from error


def aggregate(con: DuckDBPyConnection, asked: Sequence[str], of: str, by: str | None = None) -> dict[Any, list[Any]]:
    """Return any number of aggregates, asked for in portions.

    Parameters
    ----------
    asked
        The SQL of each aggregate.
    of
        What FROM reads.
    by
        The SQL of what groups the rows; None: all rows are one group.

    Returns
    -------
    dict
        The values of `asked` by group, in the order of the groups; the group of all rows is None.
    """
    found: dict[Any, list[Any]] = {} if by else {None: []}
    for start in range(0, len(asked), AGGREGATES_AT_ONCE):
        portion = ", ".join(asked[start : start + AGGREGATES_AT_ONCE])
        # an aggregate first, so that there is one row also where each of the others is a query of its own
        query = f"SELECT {by or 'NULL'}, count(*), {portion} FROM {of}" + (" GROUP BY 1 ORDER BY 1" if by else "")
        for group, _, *values in con.execute(query).fetchall():
            found.setdefault(group, []).extend(values)
    return found
