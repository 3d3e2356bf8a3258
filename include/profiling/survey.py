"""Surveys the columns of some rows, by day and as a whole, to suggest expectations from."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from include.core.duckdb_connection import aggregate
from include.core.sql_text import identifier, literal
from include.ingestion.days import count_days
from include.profiling.rows import FLOATS, NUMBERS, value

if TYPE_CHECKING:
    from include.config.sources import Source
    from include.profiling.rows import Rows

#: Classes of characters in a text, in the syntax of both RE2 and Python; the last one holds all others.
_CHARACTERS = ["[0-9]", "[A-Z]", "[a-z]", "_", "[.]", ":", "/", "-", "[^0-9A-Za-z_.:/-]"]

#: The same classes without the last, as they are written inside brackets.
RANGES = ["0-9", "A-Z", "a-z", "_", ".", ":", "/", "-"]


@dataclass(frozen=True)
class Day:
    """One column on one day: its rows, how many have a value, and the least and greatest finite number."""

    day: str
    rows: int
    not_null: int
    low: Any = None
    high: Any = None


@dataclass(frozen=True)
class NumberFacts:
    """A column of numbers as a whole.

    Attributes
    ----------
    distinct
        Estimated number of distinct values.
    whole
        Whether it has an integer type.
    zeros, finite
        Number of zeros, and of finite values.
    quartiles
        The first and the third quartile of the finite values; None if there are none.
    """

    distinct: int
    whole: bool
    zeros: int
    finite: int
    quartiles: list[float] | None


@dataclass(frozen=True)
class TextFacts:
    """A column of texts as a whole.

    Attributes
    ----------
    distinct
        Estimated number of distinct values.
    shortest, longest
        Lengths in characters; None if all values are null.
    has
        Whether any text has a character of each class, in the order of `RANGES`, and then of all others.
    """

    distinct: int
    shortest: int | None
    longest: int | None
    has: list[bool]


@dataclass(frozen=True)
class Column:
    """One column, by day and as a whole.

    Attributes
    ----------
    sql
        The SQL of its value.
    facts
        None for a column of neither numbers nor texts.
    """

    name: str
    sql: str
    days: list[Day]
    facts: NumberFacts | TextFacts | None

    @property
    def not_null(self) -> int:
        """The number of values that are not null."""
        return sum(day.not_null for day in self.days)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(day.rows for day in self.days)

    @property
    def mostly_distinct(self) -> bool:
        """Whether nearly every value occurs once."""
        return self.facts is not None and self.facts.distinct >= 0.9 * self.not_null

    def seen(self, count: int | None = None) -> str:
        """Return the number of rows and days that were surveyed, in words."""
        return f"{self.not_null if count is None else count:,} rows of {count_days([day.day for day in self.days])}"


def survey(rows: Rows, source: Source, day: str) -> list[Column]:
    """Survey the declared columns of all rows.

    Parameters
    ----------
    day
        SQL of the day that a row was delivered for.
    """
    names = [name for name in source.columns if name in rows.types]
    by_day = aggregate(rows.con, ["count(*)", *(_daily_sql(name, rows.types) for name in names)], "rows", day)
    facts = aggregate(rows.con, [_facts_sql(name, rows.types) for name in names], "rows")[None]
    return [
        Column(
            name,
            value(name, rows.types),
            [Day(ds, count, **counts[at]) for ds, (count, *counts) in by_day.items()],
            _facts(facts[at], rows.types[name]),
        )
        for at, name in enumerate(names)
    ]


def _facts(counted: dict[str, Any] | None, kind: str) -> NumberFacts | TextFacts | None:
    if counted is None:
        return None
    return NumberFacts(**counted) if kind in NUMBERS else TextFacts(**counted)


def _daily_sql(name: str, types: dict[str, str]) -> str:
    """Return the SQL of the fields of `Day` as a struct."""
    each = value(name, types)
    fields = f"'not_null': count({each})"
    if types[name] in NUMBERS:
        finite = _finite(name, types)
        fields += f", 'low': min({each}) FILTER (WHERE {finite}), 'high': max({each}) FILTER (WHERE {finite})"
    return f"{{{fields}}}"


def _facts_sql(name: str, types: dict[str, str]) -> str:
    """Return the SQL of the fields of `NumberFacts` or `TextFacts` as a struct."""
    each, distinct = value(name, types), f"'distinct': approx_count_distinct({value(name, types)})"
    if types[name] in NUMBERS:
        finite = _finite(name, types)
        return (
            f"{{{distinct}, 'whole': {'false' if types[name] in ('DOUBLE', 'FLOAT') else 'true'}, "
            f"'zeros': count(*) FILTER (WHERE {each} = 0), 'finite': count(*) FILTER (WHERE {finite}), "
            f"'quartiles': approx_quantile(({each})::DOUBLE, [0.25, 0.75]) FILTER (WHERE {finite})}}"
        )
    if types[name] == "VARCHAR":
        has = ", ".join(f"bool_or(regexp_matches({each}, {literal(characters)}))" for characters in _CHARACTERS)
        return f"{{{distinct}, 'shortest': min(length({each})), 'longest': max(length({each})), 'has': [{has}]}}"
    return "NULL"


def _finite(name: str, types: dict[str, str]) -> str:
    return f"isfinite({identifier(name)})" if types[name] in FLOATS else f"{identifier(name)} IS NOT NULL"


def distinct_values(rows: Rows, column: Column, day: str, limit: int) -> list[tuple[Any, str]]:
    """Return a column's first values in order, at most `limit`, each with the day on which it first occurs."""
    return rows.con.execute(
        f"SELECT {column.sql}, min({day}) FROM rows WHERE {column.sql} IS NOT NULL GROUP BY 1 ORDER BY 1 LIMIT {limit}"
    ).fetchall()


def within(rows: Rows, column: Column, low: float, high: float) -> tuple[int, Any, Any]:
    """Return how many numbers lie within bounds, and the least and greatest of these."""
    answer = rows.con.execute(
        f"SELECT count(*), min({column.sql}), max({column.sql}) FROM rows"
        f" WHERE {column.sql} BETWEEN {literal(low)} AND {literal(high)}"
    ).fetchone()
    assert answer is not None, "an aggregate has one row"
    return answer


def outside(rows: Rows, column: Column, least: Any, most: Any, day: str) -> tuple[int, Decimal, list[Any]]:
    """Return how many numbers lie outside bounds, their share on the worst day, and the two farthest.

    If a quarter or more of the worst day is outside, the day is broken, and the share of all days is returned.
    """
    sides = (("<", least), (">", most))
    condition = " OR ".join(f"{column.sql} {sign} {literal(bound)}" for sign, bound in sides if bound is not None)
    by_day = rows.con.execute(
        f"SELECT {day}, count(*) FILTER (WHERE {condition}), count({column.sql}) FROM rows GROUP BY 1"
    ).fetchall()
    count = sum(each for _, each, _ in by_day)
    if not count:
        return 0, Decimal(0), []
    share = max(Decimal(each) / not_null for _, each, not_null in by_day if not_null)
    if share >= Decimal("0.25"):
        share = Decimal(count) / column.not_null
    farthest = rows.con.execute(
        f"SELECT DISTINCT {column.sql}, abs(({column.sql})::DOUBLE) FROM rows WHERE {condition}"
        " ORDER BY 2 DESC, 1 LIMIT 2"
    ).fetchall()
    return count, share, [number for number, _ in farthest]
