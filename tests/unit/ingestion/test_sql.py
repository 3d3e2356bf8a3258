"""A source's query is run for whole days, and its failure is one sentence."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, create_engine

from include.config import SqlSource
from include.errors import SchemaMismatch, SourceUnreadable
from include.ingestion import sql
from include.ingestion.sql import only_parameters, read_sql
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from sqlalchemy import Engine

SOURCE = SqlSource.model_validate(
    {
        "kind": "sql",
        "connection": "shop",
        "query": "sql/sales.sql",
        "key": ["store", "day"],
        "day": "day",
        "available_at": "closed_at",
        "columns": {
            "store": "string",
            "day": "timestamp",
            "revenue": "float",
            "visitors": "integer",
            "closed_at": "timestamp",
        },
    }
)
START, END = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Return an engine for a database of five days of two stores."""
    factories.write_sales(tmp_path / "shop.db", factories.sales(days=5, stores=2))
    return create_engine(URL.create("sqlite", database=str(tmp_path / "shop.db")))


def read(engine: Engine, query: str = factories.SHOP_SQL, start: datetime = START, end: datetime = END) -> pa.Table:
    """Run a query as the shop's source does."""
    return read_sql(SOURCE, query, start, end, engine, "shop: source 'sales'")


def days(rows: pa.Table) -> list[str]:
    """Return the days of the rows, once each."""
    return sorted({f"{moment:%Y-%m-%d}" for moment in rows["day"].to_pylist()})


def test_the_rows_from_the_start_until_before_the_end_are_read(engine: Engine) -> None:
    """The start is inclusive, the end is not, so ranges side by side share no row."""
    rows = read(engine)

    assert days(rows) == ["2024-01-02", "2024-01-03"]
    assert rows.num_rows == 4


def test_bounds_of_another_zone_are_the_same_moments(engine: Engine) -> None:
    """A database without zones gets the bounds in UTC."""
    berlin = timezone(timedelta(hours=1))

    rows = read(engine, start=START.astimezone(berlin), end=END.astimezone(berlin))

    assert days(rows) == ["2024-01-02", "2024-01-03"]


def test_many_rows_are_read_in_parts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that do not fit in one part are all there, in the database's order."""
    whole = read(engine)
    monkeypatch.setattr(sql, "FETCH_ROWS", 3)

    assert read(engine).combine_chunks() == whole.combine_chunks()


@pytest.mark.parametrize(
    "query",
    [
        "-- from :start to :end, and :nothing\n" + factories.SHOP_SQL,
        "/* :nothing\n -- :nothing either */" + factories.SHOP_SQL,
        factories.SHOP_SQL + "-- :nothing",
        factories.SHOP_SQL.replace("FROM", "-- it's for :start\nFROM"),
        factories.SHOP_SQL + "AND store <> '-- no comment'",
        factories.SHOP_SQL + "AND store <> 'it''s -- not one'",
    ],
)
def test_a_comment_may_name_the_parameters(engine: Engine, query: str) -> None:
    """A comment is no place for a value, and two dashes in a string are no comment."""
    assert days(read(engine, query)) == ["2024-01-02", "2024-01-03"]


def test_a_string_may_hold_a_colon(engine: Engine) -> None:
    """`'at :noon'` is a string's text, for which nobody has to give a value."""
    assert days(read(engine, factories.SHOP_SQL + "AND store <> 'at :noon'")) == ["2024-01-02", "2024-01-03"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1 -- :start\n", "SELECT 1  \n"),
        ("SELECT /* a\nb */ 1", "SELECT   1"),
        ("SELECT '--a', \"--b\"", "SELECT '--a', \"--b\""),
        ("SELECT 'it''s' -- it's", "SELECT 'it''s'  "),
        ("SELECT 1 - -1", "SELECT 1 - -1"),
        ("SELECT 4 / 2 * 3", "SELECT 4 / 2 * 3"),
    ],
)
def test_comments_are_dropped_and_strings_stay(query: str, expected: str) -> None:
    """Only what the database would not read is taken away."""
    assert only_parameters(query) == expected


@pytest.mark.parametrize(
    "condition", ["", "WHERE day >= :start", "WHERE :end > day AND day >= :start AND :start <= day"]
)
def test_a_query_may_name_each_bound_or_not(engine: Engine, condition: str) -> None:
    """A query without bounds, or that names one twice, runs; what days it brings is for the caller to judge."""
    rows = read(engine, f"SELECT store, day, revenue, visitors, closed_at FROM sales {condition}")

    assert rows.num_rows == {"": 10, "WHERE day >= :start": 8}.get(condition, 4)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT * FROM sale", "no such table: sale"),
        ("SELECT shop FROM sales", "no such column: shop"),
        ("SELEKT * FROM sales", 'near "SELEKT": syntax error'),
        ("SELECT * FROM sales WHERE day > :begin", "begin"),
    ],
)
def test_a_query_that_fails_is_told_with_the_databases_reason(engine: Engine, query: str, reason: str) -> None:
    """The sentence names the file, the connection and what the database says."""
    with pytest.raises(SourceUnreadable) as told:
        read(engine, query)

    assert str(told.value).startswith("shop: source 'sales': the query sql/sales.sql failed on connection 'shop': ")
    assert reason in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("query", ["", "-- nothing but a comment\n", "UPDATE sales SET revenue = 0"])
def test_a_query_that_reads_nothing_is_told_as_unreadable(engine: Engine, query: str) -> None:
    """An empty file, or a statement that is no SELECT, is a mistake of the query."""
    with pytest.raises(SourceUnreadable, match=r"the query sql/sales\.sql failed on connection 'shop'"):
        read(engine, query)


def test_a_query_cannot_change_its_source(engine: Engine, tmp_path: Path) -> None:
    """Whatever a query's file says, nothing is committed."""
    with pytest.raises(SchemaMismatch):
        read(engine, "DELETE FROM sales RETURNING store")

    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        assert database.execute("SELECT count(*) FROM sales").fetchone() == (10,)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """SQLite's own sentence is passed on."""
    (tmp_path / "broken.db").write_bytes(b"this is not a database, and longer than a header of it" * 20)
    engine = create_engine(URL.create("sqlite", database=str(tmp_path / "broken.db")))

    with pytest.raises(SourceUnreadable, match="file is not a database"):
        read(engine)


def test_a_range_without_rows_is_an_empty_table_of_the_declared_types(engine: Engine) -> None:
    """What an empty range means is for the caller to say."""
    later = datetime(2030, 1, 1, tzinfo=UTC)

    rows = read(engine, start=later, end=later + timedelta(days=1))

    assert rows.num_rows == 0
    assert rows.column_names == list(SOURCE.columns)


def test_a_range_without_rows_is_still_held_against_the_columns(engine: Engine) -> None:
    """A column that the query renames is told on an empty day too."""
    renamed = factories.SHOP_SQL.replace("revenue,", "revenue AS revenues,")
    later = datetime(2030, 1, 1, tzinfo=UTC)

    with pytest.raises(SchemaMismatch, match=r"lacks column 'revenue' \(renamed to 'revenues'\?\)"):
        read(engine, renamed, later, later + timedelta(days=1))


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (factories.SHOP_SQL.replace("revenue,", "revenue AS revenues,"), r"\(renamed to 'revenues'\?\)"),
        (factories.SHOP_SQL.replace("revenue,", "revenue, 1 AS tip,"), "brings column 'tip', which"),
        (factories.SHOP_SQL.replace("revenue,", "revenue, revenue,"), "brings column 'revenue' twice"),
        (factories.SHOP_SQL.replace("visitors,", "'many' AS visitors,"), "declared as integer, and the value 'many'"),
        (
            factories.SHOP_SQL.replace("visitors,", "CASE store WHEN 'store-0' THEN 1 ELSE 'many' END AS visitors,"),
            r"column 'visitors' holds values of several types \(int, str\); cast it to one type",
        ),
    ],
)
def test_a_result_of_other_columns_is_told(engine: Engine, query: str, sentence: str) -> None:
    """A renamed, new, doubled or differently typed column is named."""
    with pytest.raises(SchemaMismatch, match=sentence):
        read(engine, query)
