"""Where features come from: what features.sql says of each column, and the sources that its values are made of.

The query is read, not run. What cannot be read has no lineage and a note that says so; it is never an error,
since a query that DuckDB runs need not be one that another parser understands.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from include.features.column_origins import Tracer
from include.features.query_tables import query_tables
from include.features.select_list import Item, read_select_lists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot import exp

    from include.config.pipeline import Aggregates, Pipeline, Series
    from include.features.column_origins import Origin
    from include.features.query_tables import QueryTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ColumnLineage:
    """What is known of one column of the feature table.

    Attributes
    ----------
    comment, group
        What the query's comments say of it, and of the columns that it stands with.
    expression
        Its SQL; where that only passes a column of a CTE on, the SQL of that column as well.
    sources
        The declared sources that its values are made of: the columns that are read, and what they are grouped,
        partitioned and ordered by. None where that could not be traced.
    origins
        The tables that the query reads with their columns, in lower case, "" where only rows are counted.
    values
        Those of them that its values are, without what rows are grouped, partitioned, ordered and found by.
    """

    name: str
    comment: str = ""
    group: str = ""
    expression: str = ""
    sources: tuple[str, ...] | None = None
    origins: tuple[Origin, ...] = ()
    values: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class Lineage:
    """What is known of the columns of a feature table.

    Attributes
    ----------
    columns
        By name in lower case, since SQL does not tell `Day` from `day`.
    note
        Why nothing, or less, is known; empty where all is well.
    """

    columns: dict[str, ColumnLineage] = field(default_factory=dict)
    note: str = ""
    sets: Mapping[str, Aggregates | Series] = field(default_factory=dict)

    def of(self, name: str) -> ColumnLineage:
        """Return what is known of a column, which may be nothing but its name."""
        found = self.columns.get(name.lower())
        if found:
            return found
        named = [each for each in self.sets if name.startswith(f"{each}_")]
        if not named:
            return ColumnLineage(name)
        longest = max(named, key=len)
        return _automated(name, longest, self.sets[longest])


def trace_columns(pipeline: Pipeline) -> Lineage:
    """Read a pipeline's features.sql; the columns of automated features are known by their declaration."""
    from sqlglot.errors import SqlglotError

    automated = pipeline.features.automated
    sets = automated.sets if automated else {}
    seen = query_tables(pipeline)
    tables = {
        name: [
            *(each for each in pipeline.sources[table.source].columns if each not in table.hidden),
            "ds",
            "available_at",
        ]
        for name, table in seen.items()
    }
    try:
        columns, note = trace_query(pipeline.text(pipeline.features.query), tables)
        columns = {name: _of_sources(column, seen) for name, column in columns.items()}
    # a parser of a language that grows meets trees that it did not expect
    except (SqlglotError, OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        log.info("%s: %s could not be read for its lineage: %s", pipeline.name, pipeline.features.query, error)
        columns, note = {}, "the query could not be read, so nothing is known of where its columns come from"
    return Lineage(columns, note, sets)


def own_sources(pipeline: Pipeline) -> set[str]:
    """Return the sources that the questions come from, whose rows at a question's moment may hold its outcome.

    They are those that `prediction_time` is made of, or all where that cannot be traced. The label of a forecast
    lies ahead of its moment, so there it is none.
    """
    if pipeline.training.task == "forecasting":
        return set()
    sources = trace_columns(pipeline).of("prediction_time").sources
    return {*pipeline.sources} if sources is None else {*sources}


def trace_query(sql: str, tables: Mapping[str, list[str]]) -> tuple[dict[str, ColumnLineage], str]:
    """Return what is known of the columns that a query yields, and a note.

    Parameters
    ----------
    tables
        Columns of the tables that the query may read, by the table's name.

    Raises
    ------
    sqlglot.errors.SqlglotError
        If the query cannot be read.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    tree = sqlglot.parse_one(sql, dialect="duckdb")
    if not isinstance(tree, exp.Query):
        return {}, "the query is no SELECT"
    written = _written(tree, read_select_lists(sql))
    qualified = qualify(
        tree.copy(),
        dialect="duckdb",
        # no type is needed to know where a column comes from
        schema={name: dict.fromkeys(columns, "VARCHAR") for name, columns in tables.items()},
        validate_qualify_columns=False,
        quote_identifiers=False,
    )
    root = build_scope(qualified)
    names = {name.lower(): name for name in tables}
    tracer, values = Tracer(root, names), Tracer(root, names, values_only=True)
    columns = {}
    for name in qualified.named_selects:
        path = [("", name.lower()), *tracer.passed_on(root, name)]
        column = _column(name, path, written, tracer.of_output(root, name))
        columns[name.lower()] = replace(column, values=tuple(sorted(values.of_output(root, name) or ())))
    lost = [column.name for column in columns.values() if column.sources is None]
    nameless = [name for name in columns if name == "*" or name.startswith("_col_")]
    if nameless:
        known = {name: column for name, column in columns.items() if name not in nameless}
        return known, "the query has columns that are named only when it runs, and nothing is known of those"
    return columns, f"it could not be traced where {', '.join(lost)} comes from" if lost else ""


def _of_sources(column: ColumnLineage, tables: Mapping[str, QueryTable]) -> ColumnLineage:
    """Return what is known of a column with the sources of the tables that it comes from."""
    if column.sources is None:
        return column
    return replace(column, sources=tuple(sorted({tables[name].source for name in column.sources})))


def _written(tree: exp.Query, lists: dict[str, list[Item]]) -> dict[str, dict[str, Item]]:
    """Return the items of the final SELECT ("") and of each CTE by the column's name; `*` is a column of that name."""
    selects = {"": tree.selects} | {cte.alias.lower(): cte.this.selects for cte in tree.ctes}
    return {
        name: {select.alias_or_name.lower(): item for select, item in zip(selects[name], items, strict=True)}
        for name, items in lists.items()
        if len(selects.get(name, [])) == len(items)
    }


def _column(
    name: str, path: list[tuple[str, str]], written: dict[str, dict[str, Item]], origins: set[Origin] | None
) -> ColumnLineage:
    """Gather what is written of a column at each place that only passes it on, the final SELECT first."""
    comment = group = ""
    texts: list[str] = []
    for place, column in path:
        item = written.get(place, {}).get(column)
        star = written.get(place, {}).get("*") if item is None else None
        comment = comment or (item.comment if item else "")
        if not group and (not texts or star):
            # a comment on a * tells of all its columns; a heading within a CTE only where * brings it here
            group = item.group if item else (star.group or star.comment) if star else ""
        if item:
            texts.append(f"-- in {place}\n{item.text}" if place else item.text)
    sources = None if origins is None else tuple(sorted({source for source, _ in origins}))
    return ColumnLineage(name, comment, group, "\n".join(texts), sources, tuple(sorted(origins or ())))


def _automated(name: str, named: str, made: Aggregates | Series) -> ColumnLineage:
    kind = "series of" if hasattr(made, "calculators") else "aggregates of"
    comment = f"made without SQL: {kind} {', '.join(made.values)} by {', '.join(made.by)}"
    return ColumnLineage(name, comment, f"automated: {named}", sources=(made.source,))
