"""Names and values as parts of SQL: the only module that quotes them."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal
    from pathlib import Path

    #: The types that `literal` can write.
    Constant = str | bool | int | float | Decimal | date | datetime | None


def identifier(name: str) -> str:
    """Return the name of a column or table, quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def identifiers(names: Iterable[str]) -> str:
    """Return names quoted for SQL, separated by commas."""
    return ", ".join(map(identifier, names))


def literal(constant: Constant) -> str:
    """Return a value for DuckDB's SQL; a time without a zone is in UTC.

    Texts are also valid in Delta's SQL.
    """
    if constant is None:
        return "NULL"
    if isinstance(constant, bool):
        return str(constant).lower()
    if isinstance(constant, str):
        return "'" + constant.replace("'", "''") + "'"
    if isinstance(constant, datetime):
        return f"TIMESTAMPTZ '{constant.isoformat()}{'' if constant.tzinfo else '+00:00'}'"
    if isinstance(constant, date):
        return f"DATE '{constant.isoformat()}'"
    if isinstance(constant, float):
        return f"{constant!r}::DOUBLE" if math.isfinite(constant) else f"'{constant}'::DOUBLE"
    return str(constant)


def literals(constants: Iterable[Constant]) -> str:
    """Return values for SQL, separated by commas."""
    return ", ".join(map(literal, constants))


def parquet_rows(path: Path) -> str:
    """Return DuckDB's SQL for the rows of one Parquet file, with their position as `file_row_number`."""
    escaped = "".join(f"[{each}]" if each in "*?[" else each for each in str(path))  # DuckDB reads paths as patterns
    return f"read_parquet({literal(escaped)}, file_row_number = true)"
