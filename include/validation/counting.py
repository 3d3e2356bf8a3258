"""How an expectation is counted in SQL: the metrics that Great Expectations judges, and the rows that break it.

Great Expectations computes its metrics on a pandas frame, which must hold all rows. The expectations that
are told here are counted by DuckDB instead, all in one query, and Great Expectations judges and renders
the counts as if they were its own. What is not told here is left to pandas.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import combinations
from typing import TYPE_CHECKING, Any

from include.core.sql_text import identifier, identifiers, literal, literals
from include.profiling.rows import INTEGERS, NUMBERS, POSITION, value

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

#: How many examples of unexpected values are kept, as in Great Expectations' summaries.
EXAMPLES = 20


@dataclass(frozen=True)
class Counted:
    """The SQL of one expectation.

    Attributes
    ----------
    metrics
        For each metric of Great Expectations the aggregate over the view `rows` that yields it.
    examples
        The same for the unexpected values.
    tables
        Queries by the name of the temporary table that the others read them from, made before.
    unexpected
        The condition of a row that breaks the expectation, where it is about single rows; it may hold a
        window function.
    """

    metrics: dict[str, str] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    unexpected: str | None = None
    tables: dict[str, str] = field(default_factory=dict)


def counted(expectation: Expectation, types: dict[str, str]) -> Counted | None:
    """Return the SQL of an expectation, or None where pandas must count it.

    Parameters
    ----------
    types
        DuckDB's type of each column.
    """
    kwargs = expectation.configuration.kwargs
    if kwargs.get("row_condition") or kwargs.get("condition_parser"):
        return None
    columns = [kwargs.get("column"), kwargs.get("column_A"), kwargs.get("column_B"), *(kwargs.get("column_list") or [])]
    if any(column is not None and column not in types for column in columns):
        return None  # Great Expectations says that the column is missing
    make = _BY_TYPE.get(expectation.expectation_type)
    return None if make is None else make(expectation, kwargs, types)


_Maker = Callable[["Expectation", dict[str, Any], dict[str, str]], Counted | None]


def _of_column(condition: Callable[[str, dict[str, Any], str], str | None]) -> _Maker:
    """Make the SQL of an expectation on each value that is not null, of the condition that breaks it."""

    def make(expectation: Expectation, kwargs: dict[str, Any], types: dict[str, str]) -> Counted | None:
        column = value(kwargs["column"], types)
        breaks = condition(column, kwargs, types[kwargs["column"]])
        if breaks is None:
            return None
        unexpected = f"({column}) IS NOT NULL AND ({breaks})"
        metric = expectation.map_metric  # type: ignore[attr-defined]
        return Counted(
            {
                "table.row_count": "count(*)",
                "column_values.nonnull.unexpected_count": f"count(*) - count({column})",
                f"{metric}.unexpected_count": f"count(*) FILTER (WHERE {unexpected})",
            },
            {f"{metric}.unexpected_values": _examples(identifier(kwargs["column"]), unexpected)},
            unexpected,
        )

    return make


def _between(column: str, kwargs: dict[str, Any], kind: str) -> str | None:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if not all(_is_of(each, kind) for each in (low, high) if each is not None):
        return None
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        return None  # Great Expectations refuses it in its own words
    return _outside(column, low, high, kwargs)


def _outside(column: str, low: Any, high: Any, kwargs: dict[str, Any]) -> str:
    breaks = []
    if low is not None:
        breaks.append(f"({column}) {'<=' if kwargs.get('strict_min') else '<'} {literal(low)}")
    if high is not None:
        breaks.append(f"({column}) {'>=' if kwargs.get('strict_max') else '>'} {literal(high)}")
    return " OR ".join(breaks)


def _in_set(column: str, kwargs: dict[str, Any], kind: str) -> str | None:
    members = _members(kwargs.get("value_set"), kind)
    return f"({column}) NOT IN ({members})" if members else None


def _not_in_set(column: str, kwargs: dict[str, Any], kind: str) -> str | None:
    members = _members(kwargs.get("value_set"), kind)
    return f"({column}) IN ({members})" if members else None


def _members(value_set: Any, kind: str) -> str | None:
    """Return a set for SQL where its values are of the column's own type, else None."""
    values = list(value_set or [])
    return literals(values) if values and all(_is_of(each, kind) for each in values) else None


def _length_between(column: str, kwargs: dict[str, Any], kind: str) -> str | None:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if kind != "VARCHAR" or (low is None and high is None):
        return None
    return _outside(f"length({column})", low, high, kwargs)


def _length_equals(column: str, kwargs: dict[str, Any], kind: str) -> str | None:
    return f"length({column}) <> {literal(kwargs['value'])}" if kind == "VARCHAR" else None


def _regex(column: str, kwargs: dict[str, Any], kind: str) -> str | None:
    pattern = _common_pattern(kwargs["regex"])
    if kind != "VARCHAR" or pattern is None:
        return None
    return f"NOT regexp_matches({column}, {literal(pattern)})"


def _not_regex(column: str, kwargs: dict[str, Any], kind: str) -> str | None:
    pattern = _common_pattern(kwargs["regex"])
    if kind != "VARCHAR" or pattern is None:
        return None
    return f"regexp_matches({column}, {literal(pattern)})"


def _common_pattern(pattern: str) -> str | None:
    r"""Return a pattern that DuckDB's RE2 matches just as Python does, or None where the two may differ.

    They differ in classes such as \d, which know more than ASCII in Python, in what (? begins, and in $,
    which in Python matches before a last newline too.
    """
    ends = pattern.endswith("$") and not pattern.endswith("\\$")
    body = pattern[:-1] if ends else pattern
    if "(?" in body or "$" in body or "[[" in body or "[^" in body or "{," in body or not body.isascii():
        return None
    escaped = {body[at + 1] for at, character in enumerate(body[:-1]) if character == "\\"}
    if any(character.isalnum() for character in escaped) or body.endswith("\\"):
        return None
    return f"{body}\\n?\\z" if ends else body


def _unique(expectation: Expectation, kwargs: dict[str, Any], types: dict[str, str]) -> Counted:
    column = value(kwargs["column"], types)
    query = f"SELECT {column} AS key, count(*) AS n FROM rows WHERE ({column}) IS NOT NULL GROUP BY 1 HAVING n > 1"
    groups = _table_of(query)
    metric = expectation.map_metric  # type: ignore[attr-defined]
    return Counted(
        {
            "table.row_count": "count(*)",
            "column_values.nonnull.unexpected_count": f"count(*) - count({column})",
            f"{metric}.unexpected_count": f"(SELECT coalesce(sum(n), 0)::BIGINT FROM {groups})",
        },
        {f"{metric}.unexpected_values": f"(SELECT list(key) FROM (FROM {groups} ORDER BY key LIMIT {EXAMPLES}))"},
        f"({column}) IS NOT NULL AND count(*) OVER (PARTITION BY {column}) > 1",
        {groups: query},
    )


def _compound_unique(expectation: Expectation, kwargs: dict[str, Any], types: dict[str, str]) -> Counted | None:
    names = kwargs["column_list"]
    judged = _judged(names, expectation.dict()["ignore_row_if"], types)
    keys = ", ".join(f"{value(name, types)} AS {identifier(name)}" for name in names)
    query = f"SELECT {keys}, count(*) AS n FROM rows WHERE {judged} GROUP BY ALL HAVING n > 1"
    groups = _table_of(query)
    told = ", ".join(f"{literal(name)}: {identifier(name)}" for name in names)
    metric = expectation.map_metric  # type: ignore[attr-defined]
    return Counted(
        {
            "table.row_count": "count(*)",
            f"{metric}.filtered_row_count": f"count(*) FILTER (WHERE {judged})",
            f"{metric}.unexpected_count": f"(SELECT coalesce(sum(n), 0)::BIGINT FROM {groups})",
        },
        {
            f"{metric}.unexpected_values": (
                f"(SELECT list({{{told}}}) FROM (FROM {groups} ORDER BY {identifiers(names)} LIMIT {EXAMPLES}))"
            )
        },
        f"{judged} AND count(*) OVER (PARTITION BY {', '.join(value(name, types) for name in names)}) > 1",
        {groups: query},
    )


def _of_columns(condition: Callable[[list[str], list[str], dict[str, Any]], str | None]) -> _Maker:
    """Make the SQL of an expectation on several columns of each row, of the condition that a row keeps.

    A condition that is null, since a value is, is not kept.
    """

    def make(expectation: Expectation, kwargs: dict[str, Any], types: dict[str, str]) -> Counted | None:
        names = kwargs.get("column_list") or [kwargs["column_A"], kwargs["column_B"]]
        keeps = condition([value(name, types) for name in names], [types[name] for name in names], kwargs)
        if keeps is None:
            return None
        judged = _judged(names, expectation.dict()["ignore_row_if"], types)
        unexpected = f"{judged} AND NOT coalesce({keeps}, false)"
        told = ", ".join(f"{literal(name)}: {identifier(name)}" for name in names)
        metric = expectation.map_metric  # type: ignore[attr-defined]
        return Counted(
            {
                "table.row_count": "count(*)",
                f"{metric}.filtered_row_count": f"count(*) FILTER (WHERE {judged})",
                f"{metric}.unexpected_count": f"count(*) FILTER (WHERE {unexpected})",
            },
            {f"{metric}.unexpected_values": _examples(f"{{{told}}}", unexpected)},
            unexpected,
        )

    return make


def _judged(names: list[str], ignored: str, types: dict[str, str]) -> str:
    """Return the condition of a row that is judged, which depends on what it has no value of."""
    there = [f"({value(name, types)}) IS NOT NULL" for name in names]
    if ignored in ("never", "neither"):
        return "true"
    return "(" + (" AND " if ignored.startswith(("any", "either")) else " OR ").join(there) + ")"


def _equal(columns: list[str], kinds: list[str], kwargs: dict[str, Any]) -> str | None:
    first, *others = columns
    return " AND ".join(f"({first}) = ({other})" for other in others) if _comparable(kinds) else None


def _greater(columns: list[str], kinds: list[str], kwargs: dict[str, Any]) -> str | None:
    sign = ">=" if kwargs.get("or_equal") else ">"
    return f"({columns[0]}) {sign} ({columns[1]})" if _comparable(kinds) else None


def _sum_equals(columns: list[str], kinds: list[str], kwargs: dict[str, Any]) -> str | None:
    total = kwargs.get("sum_total")
    if not all(map(_is_number, kinds)) or not isinstance(total, (int, float)):
        return None
    # of small integers the sum may be beyond what their type holds, and a null adds nothing, as in pandas
    wide = "HUGEINT" if all(kind in INTEGERS for kind in kinds) else "DOUBLE"
    return f"{' + '.join(f'coalesce(({each})::{wide}, 0)' for each in columns)} = {literal(total)}"


def _all_different(columns: list[str], kinds: list[str], kwargs: dict[str, Any]) -> str | None:
    if not _comparable(kinds):
        return None
    return " AND ".join(f"({one}) IS DISTINCT FROM ({other})" for one, other in combinations(columns, 2)) or "true"


def _comparable(kinds: list[str]) -> bool:
    """Return whether SQL and pandas compare columns of these types alike."""
    return len(set(kinds)) == 1 or all(map(_is_number, kinds)) or all(each.startswith("TIMESTAMP") for each in kinds)


def _nullness(wanted: bool) -> _Maker:
    """Make the SQL of the expectation that values are null (`wanted`), or are not."""

    def make(expectation: Expectation, kwargs: dict[str, Any], types: dict[str, str]) -> Counted:
        column = value(kwargs["column"], types)
        unexpected = f"({column}) IS {'NOT ' if wanted else ''}NULL"
        metric = expectation.map_metric  # type: ignore[attr-defined]
        return Counted(
            {
                "table.row_count": "count(*)",
                f"{metric}.unexpected_count": f"count(*) FILTER (WHERE {unexpected})",
            },
            {f"{metric}.unexpected_values": _examples(identifier(kwargs["column"]), unexpected)},
            unexpected,
        )

    return make


def _aggregate(metric: str, sql: str, *, of_times: bool = False) -> _Maker:
    """Make the SQL of an expectation on one number of a numeric column, or on one of its times."""

    def make(expectation: Expectation, kwargs: dict[str, Any], types: dict[str, str]) -> Counted | None:
        kind = types[kwargs["column"]]
        if not (_is_number(kind) or (of_times and _is_time(kind))):
            return None
        bounds = [kwargs[name] for name in ("min_value", "max_value") if kwargs.get(name) is not None]
        if not all(_is_of(each, kind) for each in bounds):
            return None
        return Counted({metric: sql.format(value(kwargs["column"], types))})

    return make


def _sum(expectation: Expectation, kwargs: dict[str, Any], types: dict[str, str]) -> Counted | None:
    whole = types[kwargs["column"]] in INTEGERS  # of which a sum is exact, and of others a float in pandas too
    return _aggregate("column.sum", "coalesce(sum({0}), 0)" + ("" if whole else "::DOUBLE"))(expectation, kwargs, types)


def _distinct(metric: str, sql: str) -> _Maker:
    def make(expectation: Expectation, kwargs: dict[str, Any], types: dict[str, str]) -> Counted | None:
        kind = types[kwargs["column"]]
        if not (_is_number(kind) or _is_time(kind) or kind in ("VARCHAR", "BOOLEAN")):
            return None
        return Counted({metric: sql.format(value(kwargs["column"], types))})

    return make


def _row_count(expectation: Expectation, kwargs: dict[str, Any], types: dict[str, str]) -> Counted:
    return Counted({"table.row_count": "count(*)"})


def _table_of(query: str) -> str:
    """Return the name of the temporary table of a query."""
    return f"groups_{hashlib.sha256(query.encode()).hexdigest()[:12]}"


def _examples(column: str, unexpected: str) -> str:
    return f"arg_min({column}, {POSITION}, {EXAMPLES}) FILTER (WHERE {unexpected})"


def _is_number(kind: str) -> bool:
    return kind in NUMBERS or kind.startswith("DECIMAL")


def _is_time(kind: str) -> bool:
    return kind == "DATE" or kind.startswith("TIMESTAMP")


def _is_of(constant: Any, kind: str) -> bool:
    """Return whether a constant is of a column's own type, so that SQL and pandas compare them alike."""
    if kind == "VARCHAR":
        return isinstance(constant, str)
    if kind == "DATE":
        return isinstance(constant, date) and not isinstance(constant, datetime)
    if kind.startswith("TIMESTAMP"):
        return isinstance(constant, datetime)
    return _is_number(kind) and isinstance(constant, (int, float)) and not isinstance(constant, bool)


_BY_TYPE: dict[str, _Maker] = {
    "expect_column_values_to_not_be_null": _nullness(wanted=False),
    "expect_column_values_to_be_null": _nullness(wanted=True),
    "expect_column_values_to_be_between": _of_column(_between),
    "expect_column_values_to_be_in_set": _of_column(_in_set),
    "expect_column_values_to_not_be_in_set": _of_column(_not_in_set),
    "expect_column_values_to_match_regex": _of_column(_regex),
    "expect_column_values_to_not_match_regex": _of_column(_not_regex),
    "expect_column_value_lengths_to_be_between": _of_column(_length_between),
    "expect_column_value_lengths_to_equal": _of_column(_length_equals),
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _compound_unique,
    "expect_column_pair_values_to_be_equal": _of_columns(_equal),
    "expect_column_pair_values_a_to_be_greater_than_b": _of_columns(_greater),
    "expect_multicolumn_values_to_be_equal": _of_columns(_equal),
    "expect_multicolumn_sum_to_equal": _of_columns(_sum_equals),
    "expect_select_column_values_to_be_unique_within_record": _of_columns(_all_different),
    "expect_column_max_to_be_between": _aggregate("column.max", "max({0})", of_times=True),
    "expect_column_min_to_be_between": _aggregate("column.min", "min({0})", of_times=True),
    "expect_column_mean_to_be_between": _aggregate("column.mean", "avg({0})"),
    "expect_column_median_to_be_between": _aggregate("column.median", "median({0})"),
    "expect_column_sum_to_be_between": _sum,
    "expect_column_stdev_to_be_between": _aggregate("column.standard_deviation", "stddev_samp({0})"),
    "expect_column_unique_value_count_to_be_between": _distinct("column.distinct_values.count", "count(DISTINCT {0})"),
    "expect_column_proportion_of_unique_values_to_be_between": _distinct(
        "column.unique_proportion", "coalesce(count(DISTINCT {0}) / nullif(count({0}), 0), 0)"
    ),
    "expect_table_row_count_to_be_between": _row_count,
    "expect_table_row_count_to_equal": _row_count,
}
