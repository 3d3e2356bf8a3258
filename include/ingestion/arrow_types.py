"""The Arrow types of declared columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from include.config.sources import ColumnType


def empty_table(columns: dict[str, ColumnType]) -> pa.Table:
    """Return a table with the declared columns and no rows."""
    import pyarrow as pa

    return pa.schema([(name, arrow_type(declared)) for name, declared in columns.items()]).empty_table()


def arrow_type(declared: ColumnType) -> pa.DataType:
    """Return the Arrow type of a declared column; timestamps are microseconds in UTC."""
    import pyarrow as pa

    return {
        "string": pa.string(),
        "integer": pa.int64(),
        "float": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }[declared]
