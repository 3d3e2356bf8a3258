"""Column lineage: the comments, the SQL and the sources of each column of features.sql.

The query is parsed, not run. A query that sqlglot cannot parse has no lineage and a note that says so. It is no error,
since DuckDB may run it all the same.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from include.features.calendar_columns import calendar_columns
from include.features.column_origins import ColumnOrigins
from include.features.query_tables import query_tables
from include.features.select_list import Item, read_select_lists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot import exp

    from include.config.features import Aggregates, Series
    from include.config.pipeline import Pipeline
    from include.features.column_origins import Origin
    from include.features.query_tables import QueryTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ColumnLineage:
    """What is known of one column of the feature table.

    Attributes
    ----------
    comment, group
        The query's comment on the column, and the one on its block of columns.
    expression
        Its SQL, followed by the SQL of the CTE column that it passes on, if it does nothing else.
    sources
        The declared sources that its values come from, including those that group, partition and order them; None if
        they are unknown.
    origins
        The tables that the query reads, with the column in lower case, "" where only the rows are counted.
    values
        The origins that the values are computed from, without those that group, partition, order or find rows.
    calendar
        Whether it is computed from `prediction_time` alone, row by row.
    """

    name: str
    comment: str = ""
    group: str = ""
    expression: str = ""
    sources: tuple[str, ...] | None = None
    origins: tuple[Origin, ...] = ()
    values: tuple[Origin, ...] = ()
    calendar: bool = False


@dataclass(frozen=True)
class Lineage:
    """The lineage of all columns of a feature table.

    Attributes
    ----------
    columns
        By name in lower case, since SQL ignores case.
    note
        Why some or all columns have no lineage; empty if all have one.
    sets
        The sets of automated features, by name.
    """

    columns: dict[str, ColumnLineage] = field(default_factory=dict)
    note: str = ""
    sets: Mapping[str, Aggregates | Series] = field(default_factory=dict)

    def of(self, name: str) -> ColumnLineage:
        """Return the lineage of a column; of an unknown column only its name."""
        found = self.columns.get(name.lower())
        if found:
            return found
        named = [each for each in self.sets if name.startswith(f"{each}_")]
        if not named:
            return ColumnLineage(name)
        longest = max(named, key=len)
        return _automated_lineage(name, longest, self.sets[longest])


def column_lineage(pipeline: Pipeline) -> Lineage:
    """Return the lineage of a pipeline's features, from features.sql and from `features.automated`."""
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
        columns, note = query_lineage(pipeline.text(pipeline.features.query), tables)
        columns = {name: _with_sources(column, seen) for name, column in columns.items()}
    # DuckDB's SQL grows faster than sqlglot, whose optimizer then fails with any of these
    except (SqlglotError, OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        log.info("%s: no lineage, since %s could not be parsed: %s", pipeline.name, pipeline.features.query, error)
        columns, note = {}, "the query could not be parsed, so its columns have no lineage"
    return Lineage(columns, note, sets)


def own_sources(pipeline: Pipeline) -> set[str]:
    """Return the sources that the spine comes from, whose rows at a prediction time may already hold the outcome.

    These are the sources of `prediction_time`, or all sources if its lineage is unknown. A forecast has none, since
    its label lies after its prediction time.
    """
    if pipeline.training.task == "forecasting":
        return set()
    sources = column_lineage(pipeline).of("prediction_time").sources
    return {*pipeline.sources} if sources is None else {*sources}


def query_lineage(sql: str, tables: Mapping[str, list[str]]) -> tuple[dict[str, ColumnLineage], str]:
    """Return the lineage of each column that a query returns, and a note on those that have none.

    Parameters
    ----------
    tables
        The columns of each table that the query may read, by table name.

    Raises
    ------
    sqlglot.errors.SqlglotError
        If the query cannot be parsed.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    tree = sqlglot.parse_one(sql, dialect="duckdb")
    if not isinstance(tree, exp.Query):
        return {}, "the query is not a SELECT"
    written = _items_by_column(tree, read_select_lists(sql))
    qualified = qualify(
        tree.copy(),
        dialect="duckdb",
        # no type is needed to know where a column comes from
        schema={name: dict.fromkeys(columns, "VARCHAR") for name, columns in tables.items()},
        validate_qualify_columns=False,
        quote_identifiers=False,
    )
    root = build_scope(qualified)
    if root is None:
        return {}, "the query is not a SELECT"
    names = {name.lower(): name for name in tables}
    origins, values = ColumnOrigins(root, names), ColumnOrigins(root, names, values_only=True)
    columns, calendar = {}, calendar_columns(root)
    for name in qualified.named_selects:
        path = [("", name.lower()), *origins.pass_through_path(root, name)]
        column = _column(name, path, written, origins.output_origins(root, name))
        columns[name.lower()] = replace(
            column,
            values=tuple(sorted(values.output_origins(root, name) or ())),
            calendar=name.lower() in calendar,
        )
    lost = [column.name for column in columns.values() if column.sources is None]
    nameless = [name for name in columns if name == "*" or name.startswith("_col_")]
    if nameless:
        known = {name: column for name, column in columns.items() if name not in nameless}
        return known, "the query has columns that get their names only when it runs; they have no lineage"
    return columns, f"no source was found for {', '.join(lost)}" if lost else ""


def _with_sources(column: ColumnLineage, tables: Mapping[str, QueryTable]) -> ColumnLineage:
    """Replace the tables of a column's lineage by the sources behind them."""
    if column.sources is None:
        return column
    return replace(column, sources=tuple(sorted({tables[name].source for name in column.sources})))


def _items_by_column(tree: exp.Query, lists: dict[str, list[Item]]) -> dict[str, dict[str, Item]]:
    """Return the items of the final SELECT ("") and of each CTE, by column name; a star has the name `*`."""
    selects = {"": tree.selects} | {cte.alias.lower(): cte.this.selects for cte in tree.ctes}
    return {
        name: {select.alias_or_name.lower(): item for select, item in zip(selects[name], items, strict=True)}
        for name, items in lists.items()
        if len(selects.get(name, [])) == len(items)
    }


def _column(
    name: str, path: list[tuple[str, str]], written: dict[str, dict[str, Item]], origins: set[Origin] | None
) -> ColumnLineage:
    """Gather the comments and the SQL of a column, from the final SELECT down to the CTE that computes it."""
    comment = group = ""
    texts: list[str] = []
    for place, column in path:
        item = written.get(place, {}).get(column)
        star = written.get(place, {}).get("*") if item is None else None
        comment = comment or (item.comment if item else "")
        if not group and (not texts or star):
            # a comment on a star is about all its columns; a heading inside a CTE counts only if a star passes it on
            group = item.group if item else (star.group or star.comment) if star else ""
        if item:
            texts.append(f"-- in {place}\n{item.text}" if place else item.text)
    sources = None if origins is None else tuple(sorted({source for source, _ in origins}))
    return ColumnLineage(name, comment, group, "\n".join(texts), sources, tuple(sorted(origins or ())))


def _automated_lineage(name: str, named: str, made: Aggregates | Series) -> ColumnLineage:
    kind = "series of" if hasattr(made, "calculators") else "aggregates of"
    comment = f"made without SQL: {kind} {', '.join(made.values)} by {', '.join(made.by)}"
    return ColumnLineage(name, comment, f"automated: {named}", sources=(made.source,))
