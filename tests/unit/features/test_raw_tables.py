"""The tables that features.sql reads hold the known rows, and the columns that the query uses."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow.dataset import dataset

from include.config.loader import load_pipeline
from include.features import raw_tables
from include.features.macros import create_macros
from include.features.raw_tables import create_tables, fill_tables, used_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNTIL = datetime(2024, 1, 4)
ALL = {"store", "day", "revenue", "visitors", "available_at", "ds"}


def sales() -> pa.Table:
    """Return three rows that are known before `UNTIL` and one that is not."""
    days = [datetime(2024, 1, day) for day in (1, 2, 3, 4)]
    return pa.table(
        {
            "store": [1, 1, 2, 2],
            "day": [f"{day:%Y-%m-%d}" for day in days],
            "revenue": [10.0, 20.0, None, 40.0],
            "visitors": [3, 4, 5, 6],
            "batch": ["b"] * 4,
            "available_at": pa.array(days, pa.timestamp("us", tz="UTC")),
            "ds": [f"{day:%Y-%m-%d}" for day in days],
        }
    )


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database with the macros of features.sql."""
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        create_macros(opened)
        yield opened


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT revenue FROM sales WHERE day > '2024-01-01'", {"revenue", "day"}),
        ("SELECT * FROM sales", ALL),
        ("FROM sales", ALL),
        ("SELECT sales FROM sales", ALL),
        ("SELECT COLUMNS('^v') FROM sales", {"visitors"}),
        ("SELECT count(*) FROM sales", set()),
        ("SELECT 1 FROM sales WHERE false", set()),
        ("SELECT visitors FROM (SELECT * FROM sales UNION ALL SELECT * FROM sales)", {"visitors"}),
        ("WITH s AS MATERIALIZED (FROM sales) SELECT s.store FROM s NATURAL JOIN sales", ALL),
        ("SELECT store FROM sales AS s WHERE EXISTS (FROM sales WHERE visitors > s.visitors)", {"store", "visitors"}),
        (
            "SELECT a.store, b.revenue FROM sales AS a ASOF JOIN sales AS b ON a.store = b.store AND a.ds > b.ds",
            {"store", "revenue", "ds"},
        ),
        (
            "SELECT trailing_sum(revenue, store, available_at, INTERVAL 2 DAYS) FROM sales",
            {"revenue", "store", "available_at"},
        ),
        ("SELECT row_number() OVER (ORDER BY day) FROM sales", {"day"}),
    ],
)
def test_the_columns_are_those_that_the_query_reads(
    con: duckdb.DuckDBPyConnection, query: str, columns: set[str]
) -> None:
    """However the query names them, and even if it can never return a row."""
    create_tables(con, {"sales": sales()})

    used = used_columns(con, query)

    assert used is not None
    assert used.get("sales", set()) == columns


@pytest.mark.parametrize(
    "query",
    [
        "SELECT revenue FROM (SELECT * FROM sales UNION ALL SELECT * FROM sales) ORDER BY ALL",
        "SELECT t.c FROM sales AS t(a, b, c, d) ORDER BY 1",
        "SELECT count(*) AS rows FROM sales",
        "SELECT * EXCLUDE (ds) FROM sales ORDER BY day",
        "SELECT * FROM (PIVOT sales ON store IN (1, 2) USING sum(visitors) GROUP BY day) ORDER BY ALL",
        "SELECT max(visitors) AS most FROM sales GROUP BY ALL HAVING count(revenue) > 1",
        "SELECT store, (SELECT max(visitors) FROM sales AS s WHERE s.day < sales.day) AS m FROM sales ORDER BY ALL",
        "SELECT day FROM sales WHERE revenue IS NULL ORDER BY visitors LIMIT 1",
    ],
)
def test_a_query_returns_the_same_as_over_all_columns(con: duckdb.DuckDBPyConnection, query: str, shop: object) -> None:
    """Names, order and rows do not show that columns were left out."""
    found = []
    for leave_out in (True, False):
        tables = {"sales": sales()}
        create_tables(con, tables)
        used = used_columns(con, query) if leave_out else None
        fill_tables(con, load_pipeline("shop"), tables, used, UNTIL, None)
        result = con.sql(query)
        found.append((result.columns, result.fetchall()))
        con.execute("DROP TABLE sales")

    assert found[0] == found[1]
    assert found[0][1], "there must be something to compare"


def test_only_known_rows_are_read(con: duckdb.DuckDBPyConnection, shop: object) -> None:
    """Later rows and older partitions are left out, and unused columns are null."""
    tables = {"sales": sales()}
    create_tables(con, tables)
    fill_tables(con, load_pipeline("shop"), tables, {"sales": {"visitors"}}, UNTIL, datetime(2024, 1, 2).date())

    assert con.sql("SELECT visitors, day, revenue FROM sales ORDER BY 1").fetchall() == [
        (4, None, None),
        (5, None, None),
    ]


def test_files_of_a_day_are_read_in_order_and_in_large_batches(
    con: duckdb.DuckDBPyConnection, shop: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are those of the files in sequence, even if a batch ends between two files."""
    monkeypatch.setattr(raw_tables, "_ROW_GROUP_ROWS", 3)
    (folder := tmp_path / "days").mkdir()
    for day in range(5):
        pq.write_table(sales().slice(day % 3, 2), folder / f"{day}.parquet")
    tables = {"sales": dataset(folder)}

    create_tables(con, tables)
    fill_tables(con, load_pipeline("shop"), tables, {"sales": {"visitors", "day"}}, UNTIL, None)

    known = tables["sales"].to_table().filter(pc.field("available_at") < pa.scalar(UNTIL, pa.timestamp("us", "UTC")))
    assert con.sql("SELECT visitors FROM sales").fetchall() == [(each,) for each in known["visitors"].to_pylist()]
    assert known.num_rows == 9


def test_names_with_line_breaks_are_told_apart(con: duckdb.DuckDBPyConnection) -> None:
    r"""A plan lists "net\nrevenue" as two names; the column was not read, and was null in every row."""
    con.execute('CREATE TABLE sales ("net\nrevenue" INT, "a""b" INT, "\n\nlast\n" INT, "net" INT, visitors INT)')

    assert used_columns(con, 'SELECT "net\nrevenue" FROM sales') == {"sales": {"net\nrevenue", "net"}}
    assert used_columns(con, 'SELECT "\n\nlast\n", "a""b" FROM sales') == {"sales": {"\n\nlast\n", 'a"b'}}
