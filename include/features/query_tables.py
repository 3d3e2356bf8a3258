"""Which tables features.sql reads: one a source, and one more of a source whose rows carry their label."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

#: What the name of a source's rows with their labels ends with.
LABELLED = "_labelled"


@dataclass(frozen=True)
class QueryTable:
    """What a table shows of a source.

    Attributes
    ----------
    source
        The source's name.
    hidden
        Columns that the table does not have: those that become known later than the row.
    delay
        How much later than the source says a row is there.
    """

    source: str
    hidden: frozenset[str] = frozenset()
    delay: timedelta = timedelta(0)


def query_tables(pipeline: Pipeline) -> dict[str, QueryTable]:
    """Return the tables by name: `loans`, and `loans_labelled` where its label becomes known after the row."""
    tables = {}
    for name, source in pipeline.sources.items():
        known = source.label_known_after
        hidden = frozenset(pipeline.late_columns(name))
        tables[name] = QueryTable(name, hidden)
        if known:
            tables[f"{name}{LABELLED}"] = QueryTable(name, delay=known.delay)
    return tables


def table_with(pipeline: Pipeline, source: str, columns: list[str]) -> str:
    """Return the table of a source that has all of some columns."""
    late = pipeline.late_columns(source)
    return f"{source}{LABELLED}" if late.intersection(columns) else source
