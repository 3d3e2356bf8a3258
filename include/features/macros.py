"""Creates the macros of macros.sql, which features.sql may call like DuckDB's own functions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MACROS = Path(__file__).with_name("macros.sql")


def create_macros(con: DuckDBPyConnection) -> None:
    """Create the macros of macros.sql; they keep working when access to files is switched off."""
    con.execute(MACROS.read_text(encoding="utf-8"))


def names_macro(query: str) -> bool:
    """Return whether a query may use a macro; creating the macros takes longer than opening a database."""
    names = re.findall(r"^CREATE MACRO (\w+)", MACROS.read_text(encoding="utf-8"), re.MULTILINE)
    return re.search(rf"\b({'|'.join(names)})\b", query, re.IGNORECASE) is not None
