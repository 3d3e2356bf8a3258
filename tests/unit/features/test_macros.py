"""The macros of features.sql give the values worked out by hand, also for nulls and at the edges."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from include.features.macros import MACROS, create_macros, names_macro

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

#: Values of two shops in the order in which they became known, in hours of January 2024.
HISTORY = """\
CREATE TABLE history AS
SELECT shop, CAST(known_at AS TIMESTAMP) AS known_at, CAST(value AS DOUBLE) AS value FROM (VALUES
    ('a', '2024-01-01 22:00', 1),
    ('a', '2024-01-02 22:00', 2),
    ('b', '2024-01-02 22:00', 100),
    ('a', '2024-01-03 22:00', NULL),
    ('a', '2024-01-04 21:59:59.999999', 4),
    ('a', '2024-01-04 22:00', 8),
    ('a', '2024-01-04 22:00', 16)
) AS facts(shop, known_at, value)
"""


@pytest.fixture
def con() -> Iterator[DuckDBPyConnection]:
    """Open a database with the macros and the history, closed as it is for features.sql."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        create_macros(con)
        con.execute(HISTORY)
        con.execute("SET enable_external_access = false")
        yield con


def names(con: DuckDBPyConnection, condition: str) -> set[str]:
    """Return the names of some functions."""
    rows = con.execute(f"SELECT DISTINCT function_name FROM duckdb_functions() WHERE {condition}").fetchall()
    return {name for (name,) in rows}


def of_a(con: DuckDBPyConnection, expression: str) -> list[Any]:
    """Return the values of an expression for the rows of shop a, in the order in which they became known."""
    rows = con.execute(f"SELECT shop, {expression} FROM history ORDER BY known_at, value").fetchall()
    return [value for shop, value in rows if shop == "a"]


def test_no_macro_shadows_a_function_of_duckdb(con: DuckDBPyConnection) -> None:
    """DuckDB's own functions work in features.sql as its manual says."""
    own = names(con, "NOT internal")

    assert len(own) == 23
    with duckdb.connect() as plain:
        assert own.isdisjoint(names(plain, "true"))
    assert own.isdisjoint(name for (name,) in con.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall())


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("SELECT Trailing_Sum(value, shop, known_at, INTERVAL 1 DAY) FROM history", True),
        ('SELECT "ratio" (1, 2)', True),
        ("SELECT late_ratio, ratios FROM history", False),
    ],
)
def test_a_query_that_may_use_a_macro_is_recognised(query: str, named: bool) -> None:
    """In whatever case a macro's name is written; a longer name that contains it is another."""
    assert names_macro(query) is named


def test_each_macro_is_documented() -> None:
    """A comment stands above each macro, or above its group."""
    lines = MACROS.read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("CREATE MACRO")]

    for start in starts:
        above = lines[start - 1]
        of_its_kind = above.startswith("CREATE MACRO") or above == ");"
        assert above.startswith("-- ") or of_its_kind, lines[start]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("is_weekend(TIMESTAMP '2024-01-05 23:59:59')", False),
        ("is_weekend(TIMESTAMP '2024-01-06 00:00')", True),
        ("is_weekend(DATE '2024-01-07')", True),
        ("is_weekend(DATE '2024-01-08')", False),
        ("is_weekend(CAST(NULL AS TIMESTAMP))", None),
        ("hour_of_week(TIMESTAMP '2024-01-01 00:59:59')", 0),
        ("hour_of_week(TIMESTAMP '2024-01-03 12:30')", 60),
        ("hour_of_week(TIMESTAMP '2024-01-07 23:00')", 167),
        ("hour_of_week(DATE '2024-01-02')", 24),
        ("hour_of_week(CAST(NULL AS TIMESTAMP))", None),
        ("days_to_month_end(DATE '2024-01-01')", 30),
        ("days_to_month_end(TIMESTAMP '2024-02-28 23:59')", 1),
        ("days_to_month_end(TIMESTAMP '2024-02-29 00:00')", 0),
        ("days_to_month_end(DATE '2023-02-28')", 0),
        ("days_to_month_end(CAST(NULL AS DATE))", None),
        ("local_time(TIMESTAMP '2024-01-01 23:00', 'Europe/Berlin')", datetime(2024, 1, 2, 0)),
        ("local_time(TIMESTAMP '2024-07-01 23:00', 'Europe/Berlin')", datetime(2024, 7, 2, 1)),
        ("local_time(DATE '2024-01-01', 'America/New_York')", datetime(2023, 12, 31, 19)),
        ("hour(local_time(TIMESTAMP '2024-10-27 01:30', 'Europe/Berlin'))", 2),
        ("local_time(CAST(NULL AS TIMESTAMP), 'Europe/Berlin')", None),
    ],
)
def test_the_calendar_is_read_off(con: DuckDBPyConnection, expression: str, expected: object) -> None:
    """Weekdays, hours, ends of months, leap years and clock changes are as on a calendar."""
    assert con.execute(f"SELECT {expression}").fetchone() == (expected,)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cycle_sin(0, 24)", 0),
        ("cycle_cos(0, 24)", 1),
        ("cycle_sin(6, 24)", 1),
        ("cycle_cos(12, 24)", -1),
        ("cycle_sin(25, 24) - cycle_sin(1, 24)", 0),
        ("day_of_year_sin(DATE '2024-01-01')", 0),
        ("day_of_year_cos(TIMESTAMP '2024-01-01 23:00')", 1),
        ("day_of_year_cos(DATE '2023-12-31')", 0.99977),  # 1.25 days before the end of a year of 365.25
        ("day_of_year_sin(DATE '2024-07-01')", 0.01075),  # 0.625 days before the middle of it
    ],
)
def test_cycles_are_points_of_a_circle(con: DuckDBPyConnection, expression: str, expected: float) -> None:
    """Quarters of a cycle lie on a circle, and its end is next to its start."""
    [value] = con.execute(f"SELECT {expression}").fetchall()[0]

    assert value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("days_since(TIMESTAMP '2024-01-01 12:00', TIMESTAMP '2024-01-03 00:00')", 1.5),
        ("days_since(TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01')", 0.0),
        ("days_since(DATE '2024-02-28', TIMESTAMP '2024-03-01 06:00')", 2.25),
        ("days_since(DATE '2024-01-03', DATE '2024-01-01')", -2.0),
        ("days_since(CAST(NULL AS TIMESTAMP), TIMESTAMP '2024-01-01')", None),
        ("days_since(TIMESTAMP '2024-01-01', CAST(NULL AS TIMESTAMP))", None),
        ("hours_since(TIMESTAMP '2024-01-01 23:45', TIMESTAMP '2024-01-02 00:00')", 0.25),
        ("hours_since(DATE '2024-01-01', DATE '2024-01-02')", 24.0),
        ("hours_since(CAST(NULL AS TIMESTAMP), DATE '2024-01-02')", None),
        ("if_since(7, TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01')", 7),
        ("if_since(7, TIMESTAMP '2024-01-01' - INTERVAL 1 MICROSECOND, TIMESTAMP '2024-01-01')", None),
        ("if_since('seven', DATE '2024-01-02', TIMESTAMP '2024-01-01')", "seven"),
        ("if_since(7, CAST(NULL AS TIMESTAMP), TIMESTAMP '2024-01-01')", None),
        ("if_since(NULL, TIMESTAMP '2024-01-02', TIMESTAMP '2024-01-01')", None),
    ],
)
def test_ages_are_exact(con: DuckDBPyConnection, expression: str, expected: object) -> None:
    """Ages have fractions and signs; an age beyond the limit is null to the microsecond, and so is that of a null."""
    assert con.execute(f"SELECT {expression}").fetchone() == (expected,)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ratio(3, 4)", 0.75),
        ("ratio(0, 4)", 0.0),
        ("ratio(3, 0)", None),
        ("ratio(0.0, 0.0)", None),
        ("ratio(NULL, 4)", None),
        ("ratio(3, NULL)", None),
        ("shrunk_rate(3, 10, 0.5, 10)", 0.4),  # 3 of 10, and 5 of 10 more
        ("shrunk_rate(0, 0, 0.5, 10)", 0.5),
        ("shrunk_rate(NULL, NULL, 0.5, 10)", 0.5),
        ("shrunk_rate(3, 10, 0.5, 0)", 0.3),
        ("shrunk_rate(0, 0, 0.5, 0)", None),
        ("shrunk_rate(3, 10, NULL, 10)", None),
    ],
)
def test_shares_are_finite(con: DuckDBPyConnection, expression: str, expected: float | None) -> None:
    """A share of nothing is null, or the prior if there is one; it is never infinite."""
    assert con.execute(f"SELECT {expression}").fetchall()[0][0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        # 72 hours before the last rows is the first row's moment, which is outside; a microsecond less is not
        ("trailing_sum", [1, 3, 3, 7, 30, 30]),
        ("trailing_mean", [1, 1.5, 1.5, 7 / 3, 7.5, 7.5]),
        ("trailing_count", [1, 2, 2, 3, 4, 4]),
        ("trailing_min", [1, 1, 1, 1, 2, 2]),
        ("trailing_max", [1, 2, 2, 4, 16, 16]),
        ("trailing_std", [None, 0.5**0.5, 0.5**0.5, (7 / 3) ** 0.5, (115 / 3) ** 0.5, (115 / 3) ** 0.5]),
    ],
)
def test_a_window_holds_what_was_known_within_its_span(
    con: DuckDBPyConnection, macro: str, expected: list[float | None]
) -> None:
    """A window excludes its own beginning, other shops and nulls, and includes all rows known at its end."""
    assert of_a(con, f"{macro}(value, shop, known_at, INTERVAL 3 DAYS)") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        ("earlier_sum", [None, 1, 3, 3, 6, 6]),
        ("earlier_mean", [None, 1, 1.5, 1.5, 3, 3]),
        ("earlier_count", [0, 1, 2, 2, 2, 2]),
    ],
)
def test_an_earlier_window_holds_no_value_of_its_own_moment(
    con: DuckDBPyConnection, macro: str, expected: list[float | None]
) -> None:
    """Neither the row itself nor rows known at the same time count, nor those as old as the span."""
    assert of_a(con, f"{macro}(value, shop, known_at, INTERVAL 3 DAYS)") == pytest.approx(expected, nan_ok=True)


def test_a_window_of_days_holds_so_many_days(con: DuckDBPyConnection) -> None:
    """Seven days with one row a day are seven rows, for a DATE as for a TIMESTAMP."""
    for kind in ("DATE", "TIMESTAMP"):
        rows = con.execute(
            "SELECT trailing_count(1, 'all', day, INTERVAL 7 DAYS) FROM (SELECT CAST(unnest(generate_series("
            f"TIMESTAMP '2024-02-20', TIMESTAMP '2024-03-05', INTERVAL 1 DAY)) AS {kind}) AS day) ORDER BY day"
        ).fetchall()

        assert [count for (count,) in rows] == [1, 2, 3, 4, 5, 6, *[7] * 9]


def test_a_window_without_a_value_has_no_sum(con: DuckDBPyConnection) -> None:
    """If all values are null, the sum and the others are null, and the count is 0."""
    span = "shop, known_at, INTERVAL 12 HOURS"

    for macro in ("sum", "mean", "min", "max", "std"):
        assert of_a(con, f"trailing_{macro}(value, {span})")[2] is None
    assert of_a(con, f"trailing_count(value, {span})")[2] == 0
    assert of_a(con, f"trailing_count(1, {span})") == [1, 1, 1, 1, 3, 3]


def test_a_window_may_be_partitioned_by_several_columns(con: DuckDBPyConnection) -> None:
    """Columns in brackets are one entity, and a null among them is a value like any other."""
    even = "(shop, CASE WHEN value > 1 THEN 'even' END)"

    assert of_a(con, f"trailing_count(1, {even}, known_at, INTERVAL 3 DAYS)") == [1, 1, 2, 2, 4, 4]


def test_a_window_of_sums_is_taken_over_days(con: DuckDBPyConnection) -> None:
    """A window over the result of a GROUP BY: how to compute a share over trailing days from many rows."""
    rows = con.execute(
        "SELECT CAST(known_at AS DATE) AS day, trailing_sum(count(*), shop, CAST(known_at AS DATE), INTERVAL 2 DAYS) "
        "FROM history WHERE shop = 'a' GROUP BY shop, CAST(known_at AS DATE) ORDER BY day"
    ).fetchall()

    assert [count for _, count in rows] == [1, 2, 2, 4]


def test_a_lag_finds_what_was_known_so_long_ago(con: DuckDBPyConnection) -> None:
    """The newest value known two days before a row, even a null, and none older than the slack allows."""
    two_days = "lagged(value, shop, known_at, INTERVAL 2 DAYS"

    assert of_a(con, f"{two_days}, INTERVAL 0 DAYS)") == [None, None, 1, None, 2, 2]
    assert of_a(con, f"{two_days}, INTERVAL 1 DAY)") == [None, None, 1, 1, 2, 2]
    assert of_a(con, "lagged(value, shop, known_at, INTERVAL 24 HOURS, INTERVAL 1 DAY)") == [None, 1, 2, 2, None, None]


def test_a_lag_of_rows_known_at_once_is_the_greatest(con: DuckDBPyConnection) -> None:
    """The lag does not depend on the order of storage, so that a rebuilt table equals the first."""
    for order in ("value", "value DESC"):
        con.execute(f"CREATE OR REPLACE TABLE again AS SELECT * FROM history ORDER BY {order}")
        con.execute("INSERT INTO again VALUES ('a', '2024-01-05 22:00', 0)")

        rows = con.execute(
            "SELECT lagged(value, shop, known_at, INTERVAL 1 DAY, INTERVAL 1 HOUR) FROM again ORDER BY known_at DESC"
        ).fetchall()

        assert rows[0] == (16,)


def test_columns_may_be_named_as_a_macro_names_its_arguments(con: DuckDBPyConnection) -> None:
    """A column with an argument's name is the column, such as `value` and `known_at` of the history."""
    rows = con.execute(
        "SELECT trailing_sum(span, value, known_at, INTERVAL 1 DAY), ratio(whole, part), days_since(moment, event_at) "
        "FROM (SELECT 5 AS span, 1 AS value, known_at, 4 AS part, 2 AS whole, known_at AS event_at, "
        "known_at - INTERVAL 3 DAYS AS moment FROM history LIMIT 1)"
    ).fetchall()

    assert rows == [(5, 0.5, 3.0)]


def plan(con: DuckDBPyConnection, expression: str) -> str:
    """Return the plan of an expression over the history."""
    return re.sub(r"\s+", " ", con.execute(f"EXPLAIN SELECT {expression} FROM history").fetchall()[0][1])


@pytest.mark.parametrize(
    ("macro", "by_hand"),
    [
        (
            "trailing_sum(value, shop, known_at, INTERVAL 7 DAYS)",
            "sum(value) OVER (PARTITION BY shop ORDER BY known_at "
            "RANGE BETWEEN INTERVAL 7 DAYS - INTERVAL 1 MICROSECOND PRECEDING AND CURRENT ROW)",
        ),
        (
            "if_since(value, known_at, known_at - INTERVAL 7 DAYS)",
            "CASE WHEN known_at >= known_at - INTERVAL 7 DAYS THEN value END",
        ),
        ("ratio(value, value)", "value / nullif(value, 0)"),
    ],
)
def test_a_macro_has_the_same_plan_as_its_sql(con: DuckDBPyConnection, macro: str, by_hand: str) -> None:
    """A macro costs nothing: DuckDB plans it like the SQL written by hand."""
    assert plan(con, macro) == plan(con, by_hand)
