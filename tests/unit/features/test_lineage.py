"""The lineage of a feature: the sources its values are made of, through all that a query may do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.config.loader import load_pipeline, read_pipeline
from include.features.lineage import trace_columns, trace_query
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

TABLES = {
    "sales": ["store", "day", "revenue", "visitors", "ds", "available_at"],
    "stores": ["store", "size", "ds", "available_at"],
}
BOTH, SALES, STORES = ("sales", "stores"), ("sales",), ("stores",)


@pytest.mark.parametrize(
    ("query", "sources"),
    [
        (
            "SELECT *, 1 AS one FROM sales JOIN stores USING (store)",
            {"store": BOTH, "revenue": SALES, "size": STORES, "one": ()},
        ),
        (
            "SELECT s.*, t.size FROM sales AS s ASOF JOIN stores AS t USING (store, available_at)",
            {"store": SALES, "size": STORES},
        ),
        (
            "SELECT s.day + t.size AS x FROM sales s ASOF LEFT JOIN stores t ON t.store = "
            "s.store AND t.available_at <= s.day",
            {"x": BOTH},
        ),
        ("SELECT * EXCLUDE (ds) REPLACE (upper(store) AS store) FROM sales", {"store": SALES, "visitors": SALES}),
        (
            "WITH a AS (SELECT store, sum(revenue) AS r FROM sales GROUP BY ALL), b AS "
            "(SELECT *, r AS x FROM a) SELECT * FROM b",
            {"x": SALES, "r": SALES},
        ),
        ("SELECT revenue + 1 AS a, a * 2 AS b FROM sales", {"b": SALES}),
        ("SELECT (SELECT max(size) FROM stores x WHERE x.store = sales.store) AS m FROM sales", {"m": BOTH}),
        ("SELECT EXISTS (SELECT 1 FROM stores) AS e FROM sales", {"e": STORES}),
        (
            "SELECT k.x FROM sales LEFT JOIN (SELECT store, avg(size) AS x FROM stores GROUP BY 1) k USING (store)",
            {"x": STORES},
        ),
        ("SELECT store, revenue FROM sales UNION ALL SELECT store, size FROM stores", {"revenue": BOTH}),
        (
            "SELECT store, revenue FROM sales UNION ALL BY NAME SELECT size AS revenue, 'x' AS store FROM stores",
            {"revenue": BOTH, "store": SALES},
        ),
        (
            "WITH u AS (SELECT store, day FROM sales UNION ALL BY NAME SELECT store, size FROM stores) SELECT * FROM u",
            {"size": STORES, "day": SALES, "store": BOTH},
        ),
        (
            "WITH RECURSIVE r AS (SELECT revenue AS n FROM sales UNION ALL SELECT n + 1 FROM "
            "r WHERE n < 3) SELECT n FROM r",
            {"n": SALES},
        ),
        ("SELECT u.x FROM sales, unnest([revenue, visitors]) AS u(x)", {"x": SALES}),
        ("SELECT list_transform([1, 2], lambda x: x + revenue) AS l FROM sales", {"l": SALES}),
        ("WITH a (x) AS (SELECT revenue FROM sales) SELECT x FROM a", {"x": SALES}),
        ("SELECT X.Revenue AS Rev FROM Sales AS x", {"rev": SALES}),
    ],
)
def test_a_column_is_traced_to_its_sources(query: str, sources: dict[str, tuple[str, ...]]) -> None:
    """Joins, stars, subqueries, unions and names in other cases do not hide where a value comes from."""
    columns, note = trace_query(query, TABLES)

    assert {name: columns[name].sources for name in sources} == sources
    assert note == ""


@pytest.mark.parametrize(
    ("query", "sources"),
    [
        ("SELECT count(*) AS n FROM sales JOIN stores USING (store)", BOTH),
        ("SELECT count(*) AS n FROM sales LEFT JOIN stores USING (store)", SALES),
        ("SELECT row_number() OVER () AS n FROM sales", SALES),
        ("SELECT sum(s.revenue) AS n FROM sales s JOIN stores t USING (store) GROUP BY t.size", BOTH),
        ("SELECT sum(s.revenue) OVER (PARTITION BY t.size) AS n FROM sales s JOIN stores t USING (store)", BOTH),
        (
            "SELECT sum(s.revenue) OVER w AS n FROM sales s JOIN stores t USING (store) WINDOW w AS (ORDER BY t.size)",
            BOTH,
        ),
        (
            "SELECT sum(s.revenue) OVER w AS n FROM sales s JOIN stores t USING (store) "
            "WINDOW w AS (ORDER BY s.day), v AS (ORDER BY t.size)",
            SALES,
        ),
        ("WITH c AS (SELECT size, count(*) AS k FROM stores GROUP BY size) SELECT sum(k) AS n FROM c", STORES),
        ("SELECT shrunk_rate(sum(revenue), count(*), 0.5, 20) AS n FROM sales", SALES),
        ("SELECT m.v AS n FROM stores JOIN trailing('sales', 7) AS m ON true", SALES),
    ],
)
def test_what_is_counted_and_by_what_belongs_to_a_value(query: str, sources: tuple[str, ...]) -> None:
    """A count is made of rows, and an aggregate of its groups, windows and macros as much as of its column."""
    assert trace_query(query, TABLES)[0]["n"].sources == sources


def test_comments_are_found_where_a_column_is_made() -> None:
    """A column that is only passed on has the comment, the heading and the SQL of the CTE that makes it."""
    query = """
    WITH made AS (
        SELECT
            store, -- where

            -- money
            revenue * 2 AS twice, -- twice the revenue
            revenue
        FROM sales
    )
    SELECT *, twice AS again, twice + 1 AS more FROM made
    """

    columns, _ = trace_query(query, TABLES)

    assert (columns["store"].comment, columns["store"].group) == ("where", "")
    assert (columns["twice"].comment, columns["twice"].group) == ("twice the revenue", "money")
    assert columns["twice"].expression == "-- in made\nrevenue * 2 AS twice"
    assert (columns["again"].comment, columns["again"].group) == ("twice the revenue", "")
    assert columns["again"].expression == "twice AS again\n-- in made\nrevenue * 2 AS twice"
    assert columns["more"].expression == "twice + 1 AS more"
    assert columns["more"].comment == ""


def test_the_query_of_the_demo_is_known_whole() -> None:
    """Every column of a real query of a hundred lines has sources, and those of a block have its heading."""
    pipeline = load_pipeline("flight_delays")

    lineage = trace_columns(pipeline)

    assert lineage.note == ""
    assert len(lineage.columns) > 30
    assert all(column.sources and column.expression for column in lineage.columns.values())
    assert lineage.of("is_late").sources == ("outcomes",)
    assert lineage.of("plane_age_years").sources == ("planes", "schedule")
    assert lineage.of("plane_seats").group == lineage.of("plane_age_years").group == "the plane"
    assert lineage.of("route_late_share_28d").comment.startswith("few flights say little")


def test_the_query_of_the_shop_is_known_whole(shop: Path) -> None:
    """So is a small one without a comment."""
    lineage = trace_columns(load_pipeline("shop"))

    assert lineage.note == ""
    assert {column.sources for column in lineage.columns.values()} == {("sales",)}
    assert "revenue_last_day" in lineage.columns


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("SELECT (store FROM sales", "could not be read"),
        ("PIVOT sales ON store USING sum(revenue)", "no SELECT"),
        ("SELECT columns('r.*') FROM sales", "named only when it runs"),
        ("SELECT * FROM unheard_of(7)", "named only when it runs"),
        ("SELECT nosuch FROM sales", "where nosuch comes from"),
        ("", "could not be read"),
    ],
)
def test_what_cannot_be_read_is_a_note_and_no_error(shop: Path, query: str, note: str) -> None:
    """DuckDB has the last word on what is a query; a page without lineage is better than a run without a page."""
    (shop / "features.sql").write_text(query)

    lineage = trace_columns(load_pipeline("shop"))

    assert note in lineage.note
    assert lineage.of("nosuch").sources is None


def test_automated_features_are_known_by_their_declaration(tmp_path: Path) -> None:
    """They are in no query; of two sets the one with the longer name is theirs."""
    sets = """
  automated:
    aggregates:
      recent: {source: sales, by: [store], values: [visitors]}
    series:
      recent_shape: {source: sales, by: [store], values: [revenue]}
"""
    yaml = factories.SHOP_YAML.replace("  label: revenue\n", "  label: revenue" + sets)
    pipeline, mistakes = read_pipeline(factories.write_shop(tmp_path, pipeline=yaml))
    assert pipeline is not None, mistakes

    lineage = trace_columns(pipeline)

    assert lineage.of("recent_visitors_mean_7d").sources == ("sales",)
    assert lineage.of("recent_visitors_mean_7d").comment == "made without SQL: aggregates of visitors by store"
    assert lineage.of("recent_shape_revenue_median").group == "automated: recent_shape"
    assert lineage.of("recently").sources is None


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("SELECT lead(revenue) OVER (PARTITION BY store ORDER BY day) AS x FROM sales", {("sales", "revenue")}),
        (
            "SELECT CASE WHEN visitors > 3 THEN 1 END AS x FROM sales WHERE revenue > 0",
            {("sales", "visitors")},
        ),
        (
            "WITH a AS (SELECT store, sum(revenue) FILTER (visitors > 1) AS r FROM sales GROUP BY store) "
            "SELECT r AS x FROM a",
            {("sales", "revenue"), ("sales", "visitors")},
        ),
        (
            "SELECT (SELECT max(t.Size) FROM stores t WHERE t.store = sales.store) AS x FROM sales",
            {("stores", "size")},
        ),
        ("SELECT count(*) OVER (PARTITION BY store) AS x FROM sales", set()),
    ],
)
def test_a_columns_values_are_told_from_what_its_rows_are_found_by(query: str, values: set[tuple[str, str]]) -> None:
    """A label changes with the columns that it is computed from, and not only with those that arrange the rows."""
    columns, _ = trace_query(query, TABLES)

    assert set(columns["x"].values) == values
    assert set(columns["x"].origins) >= values
