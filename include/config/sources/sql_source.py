"""The schema of a source of kind `sql`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from include.config.sources.base import BaseSource


class SqlSource(BaseSource):
    """A query on an Airflow SQL connection, bounded by `:start` (inclusive) and `:end` (exclusive)."""

    reader = "include.ingestion.sql.SqlReader"
    kind: Literal["sql"]
    query: str = Field(description="Path of the SQL file, in the pipeline's folder.")

    @property
    def folder_files(self) -> dict[str, str]:
        """The query's file."""
        return {"query": self.query}
