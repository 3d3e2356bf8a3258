"""The rows that are validated, in DuckDB, so that they are counted where they lie and never all in memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from include.duck import open_duckdb

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import duckdb
    import pandas as pd
    import pyarrow as pa

#: Memory that counting may take before it spills to the disk.
MEMORY = "400MB"

#: The column that says which row of the file, or of the table, a row is, from 0.
POSITION = "nightshift_position"


class Rows:
    """Rows as the view `rows` of a DuckDB connection, with their position as a column of its own."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        described = con.execute("DESCRIBE rows").fetchall()
        self.types: dict[str, str] = {name: kind for name, kind, *_ in described if name != POSITION}

    def frame(self, columns: Collection[str] | None = None) -> pd.DataFrame:
        """Return the rows, or some of their columns, as a frame in their order with the position as its index."""
        chosen = [name for name in self.types if columns is None or name in columns]
        listed = ", ".join('"' + name.replace('"', '""') + '"' for name in [POSITION, *chosen])
        table = self.con.sql(f"SELECT {listed} FROM rows ORDER BY {POSITION}").to_arrow_table()
        return table.to_pandas().set_index(POSITION)


@contextmanager
def rows_of_file(path: Path, without: Collection[int] = ()) -> Iterator[Rows]:
    """Open a Parquet file's rows, without those at some positions."""
    with open_duckdb(MEMORY) as con:
        columns = f"SELECT * EXCLUDE (file_row_number), file_row_number AS {POSITION}"
        where = ""
        if without:
            con.execute(f"CREATE TABLE left_out AS SELECT unnest(?) AS {POSITION}", [sorted(without)])
            where = f" WHERE file_row_number NOT IN (SELECT {POSITION} FROM left_out)"
        con.execute(f"CREATE VIEW rows AS {columns} FROM read_parquet('{path}', file_row_number = true){where}")
        yield Rows(con)


@contextmanager
def rows_of_table(table: pa.Table) -> Iterator[Rows]:
    """Open the rows of a table in memory."""
    import numpy as np
    import pyarrow as pa

    with open_duckdb(MEMORY) as con:
        con.register("rows", table.append_column(POSITION, pa.array(np.arange(table.num_rows))))
        yield Rows(con)
