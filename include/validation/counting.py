"""Writes an expectation as SQL: the metrics that Great Expectations judges, and the rows that break it.

Great Expectations computes its metrics on a pandas frame, which must hold all rows in memory. The expectations of
`MAKERS` are counted by DuckDB instead, all in one query; Great Expectations judges and renders these counts as if they
were its own. pandas counts every other expectation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.core.sql_text import identifier, identifiers, literal
from include.profiling.rows import INTEGERS, POSITION, value
from include.validation import sql_conditions as conditions
from include.validation.arguments import named_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from great_expectations.expectations.expectation import Expectation

    from include.validation.arguments import Arguments

#: How many examples of unexpected values are kept, as in Great Expectations' summaries.
EXAMPLES = 20

_NON_NULL = "column_values.nonnull.unexpected_count"


@dataclass(frozen=True)
class ExpectationSql:
    """The SQL of one expectation.

    Attributes
    ----------
    metrics
        For each metric of Great Expectations, the aggregate over the view `rows` that computes it.
    examples
        For each metric of unexpected values, the aggregate that collects some of them.
    unexpected
        The condition of a row that breaks the expectation, which may hold a window function; None if the expectation
        is not about single rows.
    tables
        Queries of temporary tables that the aggregates read, by table name; they must be created first.
    """

    metrics: dict[str, str] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    unexpected: str | None = None
    tables: dict[str, str] = field(default_factory=dict)


#: Makes the SQL of an expectation, or returns None where pandas must count it.
Maker = Callable[["Expectation", "Arguments", dict[str, str]], ExpectationSql | None]


def expectation_sql(expectation: Expectation, types: dict[str, str]) -> ExpectationSql | None:
    """Return the SQL of an expectation, or None where pandas must count it.

    Parameters
    ----------
    types
        DuckDB's type of each column.
    """
    arguments = expectation.configuration.kwargs
    if arguments.get("row_condition") or arguments.get("condition_parser"):
        return None
    if any(column not in types for column in named_columns(expectation)):
        return None  # Great Expectations reports the missing column
    make = MAKERS.get(expectation.expectation_type)
    return None if make is None else make(expectation, arguments, types)


def _each_value(condition: Callable[[str, Arguments, str], str | None]) -> Maker:
    """Return the maker for an expectation on each value that is not null."""

    def make(expectation: Expectation, arguments: Arguments, types: dict[str, str]) -> ExpectationSql | None:
        name = arguments["column"]
        column = value(name, types)
        breaks = condition(column, arguments, types[name])
        if breaks is None:
            return None
        unexpected = f"({column}) IS NOT NULL AND ({breaks})"
        return _rows_sql(expectation, unexpected, identifier(name), {_NON_NULL: f"count(*) - count({column})"})

    return make


def _nullness(wanted: bool) -> Maker:
    """Return the maker for the expectation that values are null (`wanted`) or not null."""

    def make(expectation: Expectation, arguments: Arguments, types: dict[str, str]) -> ExpectationSql:
        unexpected = f"({value(arguments['column'], types)}) IS {'NOT ' if wanted else ''}NULL"
        return _rows_sql(expectation, unexpected, identifier(arguments["column"]), {})

    return make


def _each_row(condition: Callable[[list[str], list[str], Arguments], str | None]) -> Maker:
    """Return the maker for an expectation on several columns of each row; a row breaks it if the condition is null."""

    def make(expectation: Expectation, arguments: Arguments, types: dict[str, str]) -> ExpectationSql | None:
        names = named_columns(expectation)
        meets = condition([value(name, types) for name in names], [types[name] for name in names], arguments)
        if meets is None:
            return None
        judged = conditions.judged_rows(expectation, names, types)
        unexpected = f"{judged} AND NOT coalesce({meets}, false)"
        return _rows_sql(expectation, unexpected, _struct(names), _filtered_rows(expectation, judged))

    return make


def _unique(expectation: Expectation, arguments: Arguments, types: dict[str, str]) -> ExpectationSql:
    column = value(arguments["column"], types)
    counted = {_NON_NULL: f"count(*) - count({column})"}
    return _duplicates_sql(expectation, {"key": column}, f"({column}) IS NOT NULL", "key", counted)


def _compound_unique(expectation: Expectation, arguments: Arguments, types: dict[str, str]) -> ExpectationSql:
    names = arguments["column_list"]
    judged = conditions.judged_rows(expectation, names, types)
    keys = {name: value(name, types) for name in names}
    return _duplicates_sql(expectation, keys, judged, _struct(names), _filtered_rows(expectation, judged))


def _column_metric(metric: str, sql: str, applies_to: Callable[[str], bool], *, typed_bounds: bool = True) -> Maker:
    """Return the maker for an expectation on one aggregate of a column.

    Parameters
    ----------
    applies_to
        Whether DuckDB and pandas aggregate a type alike.
    typed_bounds
        Whether the bounds must have the column's type.
    """

    def make(expectation: Expectation, arguments: Arguments, types: dict[str, str]) -> ExpectationSql | None:
        kind = types[arguments["column"]]
        bounds = [arguments.get(name) for name in ("min_value", "max_value")] if typed_bounds else []
        if not applies_to(kind) or not all(conditions.has_type(each, kind) for each in bounds if each is not None):
            return None
        return ExpectationSql({metric: sql.format(value(arguments["column"], types))})

    return make


def _sum(expectation: Expectation, arguments: Arguments, types: dict[str, str]) -> ExpectationSql | None:
    # a sum of integers is exact; any other is a float in pandas too
    cast = "" if types[arguments["column"]] in INTEGERS else "::DOUBLE"
    make = _column_metric("column.sum", f"coalesce(sum({{0}}), 0){cast}", conditions.is_number)
    return make(expectation, arguments, types)


def _row_count(expectation: Expectation, arguments: Arguments, types: dict[str, str]) -> ExpectationSql:
    return ExpectationSql({"table.row_count": "count(*)"})


def _rows_sql(expectation: Expectation, unexpected: str, example: str, metrics: Mapping[str, str]) -> ExpectationSql:
    """Return the SQL of an expectation on single rows, with further metrics of it."""
    metric = _map_metric(expectation)
    return ExpectationSql(
        metrics={
            "table.row_count": "count(*)",
            **metrics,
            f"{metric}.unexpected_count": f"count(*) FILTER (WHERE {unexpected})",
        },
        examples={
            f"{metric}.unexpected_values": f"arg_min({example}, {POSITION}, {EXAMPLES}) FILTER (WHERE {unexpected})"
        },
        unexpected=unexpected,
    )


def _duplicates_sql(
    expectation: Expectation, keys: Mapping[str, str], judged: str, example: str, metrics: Mapping[str, str]
) -> ExpectationSql:
    """Return the SQL of an expectation that no two of the judged rows share their keys, with further metrics of it."""
    named = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in keys.items())
    query = f"SELECT {named}, count(*) AS n FROM rows WHERE {judged} GROUP BY ALL HAVING n > 1"
    groups = f"groups_{hashlib.sha256(query.encode()).hexdigest()[:12]}"
    first = f"FROM {groups} ORDER BY {identifiers(keys)} LIMIT {EXAMPLES}"
    metric = _map_metric(expectation)
    return ExpectationSql(
        metrics={
            "table.row_count": "count(*)",
            **metrics,
            f"{metric}.unexpected_count": f"(SELECT coalesce(sum(n), 0)::BIGINT FROM {groups})",
        },
        examples={f"{metric}.unexpected_values": f"(SELECT list({example}) FROM ({first}))"},
        unexpected=f"{judged} AND count(*) OVER (PARTITION BY {', '.join(keys.values())}) > 1",
        tables={groups: query},
    )


def _map_metric(expectation: Expectation) -> str:
    return expectation.map_metric  # only map expectations come here


def _filtered_rows(expectation: Expectation, judged: str) -> dict[str, str]:
    return {f"{_map_metric(expectation)}.filtered_row_count": f"count(*) FILTER (WHERE {judged})"}


def _struct(names: list[str]) -> str:
    return f"{{{', '.join(f'{literal(name)}: {identifier(name)}' for name in names)}}}"


#: The expectations that DuckDB counts, by their name.
MAKERS: dict[str, Maker] = {
    "expect_column_values_to_not_be_null": _nullness(wanted=False),
    "expect_column_values_to_be_null": _nullness(wanted=True),
    "expect_column_values_to_be_between": _each_value(conditions.between),
    "expect_column_values_to_be_in_set": _each_value(conditions.in_set),
    "expect_column_values_to_not_be_in_set": _each_value(conditions.not_in_set),
    "expect_column_values_to_match_regex": _each_value(conditions.match_regex),
    "expect_column_values_to_not_match_regex": _each_value(conditions.not_match_regex),
    "expect_column_value_lengths_to_be_between": _each_value(conditions.length_between),
    "expect_column_value_lengths_to_equal": _each_value(conditions.length_equals),
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _compound_unique,
    "expect_column_pair_values_to_be_equal": _each_row(conditions.equal),
    "expect_column_pair_values_a_to_be_greater_than_b": _each_row(conditions.greater),
    "expect_multicolumn_values_to_be_equal": _each_row(conditions.equal),
    "expect_multicolumn_sum_to_equal": _each_row(conditions.sum_equals),
    "expect_select_column_values_to_be_unique_within_record": _each_row(conditions.all_different),
    "expect_column_max_to_be_between": _column_metric("column.max", "max({0})", conditions.is_number_or_time),
    "expect_column_min_to_be_between": _column_metric("column.min", "min({0})", conditions.is_number_or_time),
    "expect_column_mean_to_be_between": _column_metric("column.mean", "avg({0})", conditions.is_number),
    "expect_column_median_to_be_between": _column_metric("column.median", "median({0})", conditions.is_number),
    "expect_column_sum_to_be_between": _sum,
    "expect_column_stdev_to_be_between": _column_metric(
        "column.standard_deviation", "stddev_samp({0})", conditions.is_number
    ),
    "expect_column_unique_value_count_to_be_between": _column_metric(
        "column.distinct_values.count", "count(DISTINCT {0})", conditions.is_countable, typed_bounds=False
    ),
    "expect_column_proportion_of_unique_values_to_be_between": _column_metric(
        "column.unique_proportion",
        "coalesce(count(DISTINCT {0}) / nullif(count({0}), 0), 0)",
        conditions.is_countable,
        typed_bounds=False,
    ),
    "expect_table_row_count_to_be_between": _row_count,
    "expect_table_row_count_to_equal": _row_count,
}
