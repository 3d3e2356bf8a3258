"""A calendar feature is computed from the prediction time alone; everything else may drift."""

from __future__ import annotations

import pytest

from include.config.loader import load_pipeline
from include.features.lineage import column_lineage, query_lineage

TABLES = {"sales": ["store", "day", "closed_at", "ds", "available_at"], "holidays": ["day", "name", "ds"]}


def calendar(query: str) -> set[str]:
    """Return the calendar features of a query."""
    columns, _ = query_lineage(query, TABLES)
    return {column.name for column in columns.values() if column.calendar} - {"prediction_time"}


@pytest.mark.parametrize(
    ("query", "features"),
    [
        ("SELECT day AS prediction_time, month(day) AS m, store FROM sales", {"m"}),
        ("SELECT day AS prediction_time, month(prediction_time) AS m FROM sales", {"m"}),
        (
            "SELECT day AS prediction_time, CASE WHEN month(day) = 12 AND day(day) > 23 THEN 1 END AS xmas FROM sales",
            {"xmas"},
        ),
        (
            "WITH spine AS (SELECT store, day + INTERVAL 1 DAY AS at, CAST(day AS DATE) AS d FROM sales) "
            "SELECT at AS prediction_time, dayofweek(at) AS w, dayofyear(spine.d) AS y, sin(hour(at)) AS h FROM spine",
            {"w", "y", "h"},
        ),
        ("WITH s AS (SELECT * FROM sales) SELECT *, day AS prediction_time, hour(day) AS h FROM s", {"day", "h"}),
    ],
)
def test_what_follows_from_the_prediction_time_is_a_calendar_feature(query: str, features: set[str]) -> None:
    """It may be computed in any query on the way, and the final SELECT may rename it."""
    assert calendar(query) == features


@pytest.mark.parametrize(
    "expression",
    [
        "store",
        "1",
        "hour(closed_at)",
        "month(sales.day) || store",
        "count(*) OVER (PARTITION BY sales.day)",
        "date_diff('day', lag(sales.day) OVER (ORDER BY sales.day), sales.day)",
        "(SELECT count(*) FROM holidays WHERE holidays.day = sales.day)",
        "h.name",
        "date_diff('day', h.day, sales.day)",
        "date_diff('day', earlier.day, sales.day)",
    ],
)
def test_what_needs_any_other_column_or_row_may_drift(expression: str) -> None:
    """The days since an earlier row of the same table are no calendar feature, although the column is the same."""
    query = (
        f"SELECT sales.day AS prediction_time, {expression} AS x FROM sales "
        "LEFT JOIN holidays AS h ON h.day = sales.day "
        "ASOF LEFT JOIN sales AS earlier ON earlier.store = sales.store AND earlier.day < sales.day"
    )

    assert calendar(query) == set()


def test_a_prediction_time_that_is_computed_from_two_columns_has_only_what_names_it() -> None:
    """Neither of the two columns alone says when a row is predicted."""
    query = "WITH s AS (SELECT greatest(day, closed_at) AS prediction_time, month(day) AS a FROM sales) "

    assert calendar(f"{query} SELECT *, month(prediction_time) AS b FROM s") == {"b"}


def test_the_flights_know_their_weekday_and_month() -> None:
    """The hour of departure is the flight's own, and the age of a plane needs its year."""
    lineage = column_lineage(load_pipeline("flight_delays"))
    found = {column.name for column in lineage.columns.values() if column.calendar}

    assert found == {"prediction_time", "weekday", "month"}
