"""The tables that features.sql reads: one for each source, and a second one for a source with its own labels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

#: Suffix of the table of a source's rows with their labels.
LABELLED = "_labelled"


@dataclass(frozen=True)
class QueryTable:
    """The part of a source that a table shows.

    Attributes
    ----------
    source
        The source's name.
    hidden
        Columns that the table leaves out, since they become known later than the row.
    delay
        How much later than its `available_at` a row appears.
    """

    source: str
    hidden: frozenset[str] = frozenset()
    delay: timedelta = timedelta(0)


def query_tables(pipeline: Pipeline) -> dict[str, QueryTable]:
    """Return the tables by name: `loans`, and `loans_labelled` if its label becomes known after the row."""
    tables = {}
    for name, source in pipeline.sources.items():
        known = source.label_known_after
        hidden = frozenset(pipeline.late_columns(name))
        tables[name] = QueryTable(name, hidden)
        if known:
            tables[f"{name}{LABELLED}"] = QueryTable(name, delay=known.delay)
    return tables


def table_with(pipeline: Pipeline, source: str, columns: list[str]) -> str:
    """Return the name of the table of a source that has all of some columns."""
    late = pipeline.late_columns(source)
    return f"{source}{LABELLED}" if late.intersection(columns) else source
