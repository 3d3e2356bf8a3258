"""The functions that features.sql has beside DuckDB's own, which are in macros.sql."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MACROS = Path(__file__).with_name("macros.sql")


def create_macros(con: DuckDBPyConnection) -> None:
    """Create the macros of macros.sql, which stay usable once access to files is switched off."""
    con.execute(MACROS.read_text(encoding="utf-8"))
