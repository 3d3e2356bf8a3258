"""DuckDB, kept to its share of the machine."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from include import settings, workspace
from include.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection


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
        with workspace.scratch_folder("duckdb-") as spill, duckdb.connect() as con:
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
