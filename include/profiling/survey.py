"""Survey: how the columns of some rows look, by day and as a whole."""

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

#: Which characters a text may have, as RE2 and Python both write them; the last stands for all others.
_CHARACTERS = ["[0-9]", "[A-Z]", "[a-z]", "_", "[.]", ":", "/", "-", "[^0-9A-Za-z_.:/-]"]

#: The same, but for the last, as they are written in a class.
RANGES = ["0-9", "A-Z", "a-z", "_", ".", ":", "/", "-"]


@dataclass(frozen=True)
class Day:
    """The values of one column on one day: how many rows and values, the least and greatest finite number."""

    day: str
    rows: int
    there: int
    low: Any = None
    high: Any = None


@dataclass(frozen=True)
class Column:
    """One column: how it looks by day, and what was counted of all its values."""

    name: str
    sql: str
    days: list[Day]
    facts: dict[str, Any]

    @property
    def there(self) -> int:
        """The number of values that are not null."""
        return sum(day.there for day in self.days)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(day.rows for day in self.days)

    @property
    def mostly_distinct(self) -> bool:
        """Whether nearly every value is there once."""
        return self.facts["distinct"] >= 0.9 * self.there

    def seen(self, count: int | None = None) -> str:
        """Return what was looked at, in words."""
        return f"{self.there if count is None else count:,} rows of {count_days([day.day for day in self.days])}"


def survey(rows: Rows, source: Source, day: str) -> list[Column]:
    """Look at the declared columns of all rows."""
    names = [name for name in source.columns if name in rows.types]
    by_day = aggregate(rows.con, ["count(*)", *(_daily_sql(name, rows.types) for name in names)], "rows", day)
    facts = aggregate(rows.con, [_facts_sql(name, rows.types) for name in names], "rows")[None]
    return [
        Column(
            name,
            value(name, rows.types),
            [Day(ds, count, **told[at]) for ds, (count, *told) in by_day.items()],
            facts[at] or {},
        )
        for at, name in enumerate(names)
    ]


def _daily_sql(name: str, types: dict[str, str]) -> str:
    each = value(name, types)
    told = f"'there': count({each})"
    if types[name] in NUMBERS:
        finite = _finite(name, types)
        told += f", 'low': min({each}) FILTER (WHERE {finite}), 'high': max({each}) FILTER (WHERE {finite})"
    return f"{{{told}}}"


def _facts_sql(name: str, types: dict[str, str]) -> str:
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
    """Return a column's values in order, up to so many, each with the day that it was first seen."""
    return rows.con.execute(
        f"SELECT {column.sql}, min({day}) FROM rows WHERE {column.sql} IS NOT NULL GROUP BY 1 ORDER BY 1 LIMIT {limit}"
    ).fetchall()


def within(rows: Rows, column: Column, low: float, high: float) -> tuple[int, Any, Any]:
    """Return how many numbers lie within bounds, and the least and the greatest of them."""
    answer = rows.con.execute(
        f"SELECT count(*), min({column.sql}), max({column.sql}) FROM rows"
        f" WHERE {column.sql} BETWEEN {literal(low)} AND {literal(high)}"
    ).fetchone()
    assert answer is not None, "an aggregate has one row"
    return answer


def outside(rows: Rows, column: Column, least: Any, most: Any, day: str) -> tuple[int, Decimal, list[Any]]:
    """Return how many numbers lie outside of bounds, their share on the worst day, and the farthest two.

    A day that is broken as a whole does not count, so that the share stays one that tells something.
    """
    sides = (("<", least), (">", most))
    condition = " OR ".join(f"{column.sql} {sign} {literal(bound)}" for sign, bound in sides if bound is not None)
    by_day = rows.con.execute(
        f"SELECT {day}, count(*) FILTER (WHERE {condition}), count({column.sql}) FROM rows GROUP BY 1"
    ).fetchall()
    count = sum(each for _, each, _ in by_day)
    if not count:
        return 0, Decimal(0), []
    share = max(Decimal(each) / there for _, each, there in by_day if there)
    if share >= Decimal("0.25"):
        share = Decimal(count) / column.there
    farthest = rows.con.execute(
        f"SELECT DISTINCT {column.sql}, abs(({column.sql})::DOUBLE) FROM rows WHERE {condition}"
        " ORDER BY 2 DESC, 1 LIMIT 2"
    ).fetchall()
    return count, share, [number for number, _ in farthest]
