"""Opens rows in DuckDB, so that they are counted in place and never all in memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from include.core.duckdb_connection import open_duckdb
from include.core.sql_text import identifier, identifiers, parquet_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    import duckdb
    import pandas as pd
    import pyarrow as pa

#: Memory that counting may take before it spills to disk.
MEMORY = "400MB"

#: DuckDB's types of numbers that may be NaN.
FLOATS = ("DOUBLE", "FLOAT")
#: DuckDB's types of integers.
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
#: All of DuckDB's types of numbers except decimals, whose names include their digits.
NUMBERS = (*INTEGERS, "HUGEINT", "UHUGEINT", *FLOATS)

#: The column with a row's position in the file or the table, from 0.
POSITION = "nightshift_position"


class Rows:
    """Rows as the view `rows` of a DuckDB connection, with their position as a further column."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        described = con.execute("DESCRIBE rows").fetchall()
        self.types: dict[str, str] = {name: kind for name, kind, *_ in described if name != POSITION}

    def frame(self, columns: Collection[str] | None = None) -> pd.DataFrame:
        """Return the rows, or some of their columns, as a frame in order, with the position as its index."""
        chosen = [name for name in self.types if columns is None or name in columns]
        table = self.con.sql(
            f"SELECT {identifiers([POSITION, *chosen])} FROM rows ORDER BY {POSITION}"
        ).to_arrow_table()
        frame = table.drop_columns([POSITION]).to_pandas(types_mapper=_nullable())
        return frame.set_index(table[POSITION].to_pandas())

    def count(self, column: str | None = None) -> int:
        """Return the number of rows, or of rows in which a column is not null."""
        counted = "*" if column is None else value(column, self.types)
        [(number,)] = self.con.execute(f"SELECT count({counted}) FROM rows").fetchall()
        return int(number)


def value(column: str, types: dict[str, str]) -> str:
    """Return the SQL of a column's value, with NaN as null, as in a frame."""
    name = identifier(column)
    return f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END" if types[column] in FLOATS else name


@contextmanager
def rows_of_file(path: Path, without: Collection[int] = ()) -> Iterator[Rows]:
    """Open the rows of a Parquet file, without those at some positions."""
    with open_duckdb(MEMORY) as con:
        columns = f"SELECT * EXCLUDE (file_row_number), file_row_number AS {POSITION}"
        where = ""
        if without:
            con.execute(f"CREATE TABLE left_out AS SELECT unnest(?) AS {POSITION}", [sorted(without)])
            where = f" WHERE file_row_number NOT IN (SELECT {POSITION} FROM left_out)"
        con.execute(f"CREATE VIEW rows AS {columns} FROM {parquet_rows(path)}{where}")
        yield Rows(con)


@contextmanager
def rows_of_table(table: pa.Table) -> Iterator[Rows]:
    """Open the rows of a table in memory."""
    import numpy as np
    import pyarrow as pa

    with open_duckdb(MEMORY) as con:
        con.register("rows", table.append_column(POSITION, pa.array(np.arange(table.num_rows))))
        yield Rows(con)


def _nullable() -> Callable[[pa.DataType], pd.api.extensions.ExtensionDtype | None]:
    """Return a nullable pandas type for each Arrow type whose usual pandas type cannot hold a null.

    With a null an integer column would become floats, which change numbers beyond 2^53, and booleans would become
    objects.
    """
    import pandas as pd
    import pyarrow as pa

    types: dict[pa.DataType, pd.api.extensions.ExtensionDtype] = {
        pa.int8(): pd.Int8Dtype(),
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.uint8(): pd.UInt8Dtype(),
        pa.uint16(): pd.UInt16Dtype(),
        pa.uint32(): pd.UInt32Dtype(),
        pa.uint64(): pd.UInt64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    return types.get
