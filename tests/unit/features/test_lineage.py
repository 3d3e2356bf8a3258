"""Column lineage finds the sources of a feature through whatever a query does with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.config.loader import load_pipeline, read_pipeline
from include.features.lineage import column_lineage, query_lineage
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
def test_the_sources_of_a_column_are_found(query: str, sources: dict[str, tuple[str, ...]]) -> None:
    """Joins, stars, subqueries, unions and names in another case do not hide where a value comes from."""
    columns, note = query_lineage(query, TABLES)

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
def test_counted_tables_and_groups_are_origins_too(query: str, sources: tuple[str, ...]) -> None:
    """A count comes from the tables that it counts, and an aggregate also from its groups, windows and macros."""
    assert query_lineage(query, TABLES)[0]["n"].sources == sources


def test_comments_are_found_where_a_column_is_computed() -> None:
    """A column that is only passed on has the comment, heading and SQL of the CTE that computes it."""
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

    columns, _ = query_lineage(query, TABLES)

    assert (columns["store"].comment, columns["store"].group) == ("where", "")
    assert (columns["twice"].comment, columns["twice"].group) == ("twice the revenue", "money")
    assert columns["twice"].expression == "-- in made\nrevenue * 2 AS twice"
    assert (columns["again"].comment, columns["again"].group) == ("twice the revenue", "")
    assert columns["again"].expression == "twice AS again\n-- in made\nrevenue * 2 AS twice"
    assert columns["more"].expression == "twice + 1 AS more"
    assert columns["more"].comment == ""


def test_every_column_of_the_demo_has_lineage() -> None:
    """In a real query of a hundred lines every column has sources, and the columns of a block share its heading."""
    pipeline = load_pipeline("flight_delays")

    lineage = column_lineage(pipeline)

    assert lineage.note == ""
    assert len(lineage.columns) > 30
    assert all(column.sources and column.expression for column in lineage.columns.values())
    assert lineage.of("is_late").sources == ("outcomes",)
    assert lineage.of("plane_age_years").sources == ("planes", "schedule")
    assert lineage.of("plane_seats").group == lineage.of("plane_age_years").group == "the plane"
    assert lineage.of("route_late_share_28d").comment.startswith("few flights say little")


def test_every_column_of_the_shop_has_lineage(shop: Path) -> None:
    """A small query without comments has lineage too."""
    lineage = column_lineage(load_pipeline("shop"))

    assert lineage.note == ""
    assert {column.sources for column in lineage.columns.values()} == {("sales",)}
    assert "revenue_last_day" in lineage.columns


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("SELECT (store FROM sales", "could not be parsed"),
        ("PIVOT sales ON store USING sum(revenue)", "not a SELECT"),
        ("SELECT columns('r.*') FROM sales", "names only when it runs"),
        ("SELECT * FROM unheard_of(7)", "names only when it runs"),
        ("SELECT nosuch FROM sales", "no source was found for nosuch"),
        ("", "could not be parsed"),
    ],
)
def test_a_query_that_cannot_be_parsed_gives_a_note_and_no_error(shop: Path, query: str, note: str) -> None:
    """DuckDB decides what is valid SQL; a page without lineage is better than a run without a page."""
    (shop / "features.sql").write_text(query)

    lineage = column_lineage(load_pipeline("shop"))

    assert note in lineage.note
    assert lineage.of("nosuch").sources is None


def test_automated_features_have_lineage_from_their_declaration(tmp_path: Path) -> None:
    """A column belongs to the set with the longest matching name."""
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

    lineage = column_lineage(pipeline)

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
def test_values_leave_out_the_columns_that_only_arrange_rows(query: str, values: set[tuple[str, str]]) -> None:
    """A label is computed from these columns; the others only order, group or find its rows."""
    columns, _ = query_lineage(query, TABLES)

    assert set(columns["x"].values) == values
    assert set(columns["x"].origins) >= values
