"""The functions that features.sql has beside DuckDB's own, which are in macros.sql."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MACROS = Path(__file__).with_name("macros.sql")


def create_macros(con: DuckDBPyConnection) -> None:
    """Create the macros of macros.sql, which stay usable once access to files is switched off."""
    con.execute(MACROS.read_text(encoding="utf-8"))


def names_macro(query: str) -> bool:
    """Return whether a query may use a macro: it takes longer to create them than to open a database without."""
    names = re.findall(r"^CREATE MACRO (\w+)", MACROS.read_text(encoding="utf-8"), re.MULTILINE)
    return re.search(rf"\b({'|'.join(names)})\b", query, re.IGNORECASE) is not None
