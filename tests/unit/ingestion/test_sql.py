"""A source's query is run for whole days, and its failure is one sentence."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from sqlalchemy import URL, create_engine

from include.config.sources.sql_source import SqlSource
from include.core.errors import SchemaMismatch, SourceUnreadable
from include.ingestion import sql
from include.ingestion.contract import conform
from include.ingestion.sql import mask_other_colons, read_sql
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from include.ingestion.source_reader import SourceRows

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


def deliver(
    engine: Engine, query: str = factories.SHOP_SQL, start: datetime = START, end: datetime = END
) -> SourceRows:
    """Ask for a query's rows as the shop's source does."""
    return read_sql(SOURCE, query, start, end, engine, "shop: source 'sales'")


def read(engine: Engine, query: str = factories.SHOP_SQL, start: datetime = START, end: datetime = END) -> pa.Table:
    """Return the rows of a query, held against the shop's columns chunk by chunk, as an extraction does."""
    chunks = deliver(engine, query, start, end).chunks
    return pa.concat_tables([conform(chunk.rows, SOURCE, chunk.where)[0] for chunk in chunks])


def open_connections(engine: Engine) -> int:
    """Return how many connections the engine's pool holds or has given away."""
    return engine.pool.checkedin() + engine.pool.checkedout()


def days(rows: pa.Table) -> list[str]:
    """Return the days of the rows, once each."""
    return sorted({f"{moment:%Y-%m-%d}" for moment in rows["day"].to_pylist()})


def test_the_rows_from_the_start_until_before_the_end_are_read(engine: Engine) -> None:
    """The start is inclusive, the end is not, so adjacent ranges share no row."""
    rows = read(engine)

    assert days(rows) == ["2024-01-02", "2024-01-03"]
    assert rows.num_rows == 4


def test_bounds_of_another_zone_are_the_same_moments(engine: Engine) -> None:
    """A database without zones gets the bounds in UTC."""
    berlin = timezone(timedelta(hours=1))

    rows = read(engine, start=START.astimezone(berlin), end=END.astimezone(berlin))

    assert days(rows) == ["2024-01-02", "2024-01-03"]


def test_many_rows_are_read_in_parts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that do not fit in one part are all read, in the database's order."""
    whole = read(engine)
    monkeypatch.setattr(sql, "FETCH_ROWS", 3)

    assert [chunk.rows.num_rows for chunk in deliver(engine).chunks] == [3, 1]
    assert read(engine).combine_chunks() == whole.combine_chunks()


def test_rows_have_the_database_types(engine: Engine) -> None:
    """The caller casts them to the declared types: SQLite's times are text."""
    [chunk] = deliver(engine).chunks

    assert chunk.rows.schema.field("day").type == pa.string()
    assert chunk.where == "shop: source 'sales'"


def test_nothing_is_read_before_it_is_requested(engine: Engine) -> None:
    """Rows that nobody requests cost the database nothing, even if the query is wrong."""
    deliver(engine, "SELEKT")

    assert open_connections(engine) == 0


def test_the_query_is_recorded_for_the_manifest(engine: Engine) -> None:
    """The hash of the query's text reveals an edit; the rows are counted while they are read."""
    delivery = deliver(engine, start=START.astimezone(timezone(timedelta(hours=1))))
    list(delivery.chunks)

    assert json.loads(json.dumps(delivery.read_from.to_json())) == {
        "query": "sql/sales.sql",
        "sha256": hashlib.sha256(factories.SHOP_SQL.encode()).hexdigest(),
        "start": "2024-01-02T00:00:00+00:00",
        "end": "2024-01-04T00:00:00+00:00",
        "rows": 4,
    }


@pytest.mark.parametrize("ending", ["exhausted", "let_go", "closed", "failed"])
def test_no_connection_stays_open_however_reading_ends(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """A caller that stops early, or a query that fails, leaves nothing open."""
    monkeypatch.setattr(sql, "FETCH_ROWS", 1)
    chunks = deliver(engine, "SELEKT" if ending == "failed" else factories.SHOP_SQL).chunks
    if ending == "failed":
        with pytest.raises(SourceUnreadable):
            next(chunks)
    else:
        next(chunks)
        assert open_connections(engine) == 1
    if ending == "exhausted":
        list(chunks)
    elif ending == "closed":
        chunks.close()
    elif ending == "let_go":
        del chunks

    assert open_connections(engine) == 0


@pytest.mark.parametrize(
    "query",
    [
        "-- from :start to :end, and :nothing\n" + factories.SHOP_SQL,
        "/* :nothing\n -- :nothing either */" + factories.SHOP_SQL,
        factories.SHOP_SQL + "-- :nothing",
        factories.SHOP_SQL.replace("FROM", "-- it's for :start\nFROM"),
        factories.SHOP_SQL + "AND store <> '-- no comment'",
        factories.SHOP_SQL + "AND store <> 'it''s -- not one'",
        factories.SHOP_SQL + "AND store NOT LIKE '%:%'",
    ],
)
def test_a_comment_may_name_the_parameters(engine: Engine, query: str) -> None:
    """A comment has no parameters, and two dashes in a string are not a comment."""
    assert days(read(engine, query)) == ["2024-01-02", "2024-01-03"]


@pytest.mark.parametrize("value", ["at :noon", ":a::b", r"\:c", ":", "12:30:45", "::"])
def test_a_string_may_hold_a_colon(engine: Engine, value: str) -> None:
    """`'at :noon'` is text in a string, not a parameter, and arrives unchanged."""
    query = f"SELECT '{value}' AS store, day, revenue, visitors, closed_at FROM sales WHERE day < :end"

    assert set(read(engine, query)["store"].to_pylist()) == {value}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1 -- :start\n", "SELECT 1  \n"),
        ("SELECT /* a\nb */ 1", "SELECT   1"),
        ("SELECT '--a', \"--b\"", "SELECT '--a', \"--b\""),
        ("SELECT 'it''s' -- it's", "SELECT 'it''s'  "),
        ("SELECT 1 - -1", "SELECT 1 - -1"),
        ("SELECT 4 / 2 * 3", "SELECT 4 / 2 * 3"),
        ("SELECT :start::date", r"SELECT :start\:\:date"),
        ("SELECT 'a:b', \"c:d\"", "SELECT 'a\\:b', \"c\\:d\""),
    ],
)
def test_comments_are_dropped_and_strings_stay(query: str, expected: str) -> None:
    """Only text that the database would ignore is removed."""
    assert mask_other_colons(query) == expected


@pytest.mark.parametrize(
    "condition", ["", "WHERE day >= :start", "WHERE :end > day AND day >= :start AND :start <= day"]
)
def test_a_query_may_name_each_bound_or_not(engine: Engine, condition: str) -> None:
    """A query without bounds, or that names one twice, runs; the caller judges the days of its rows."""
    rows = read(engine, f"SELECT store, day, revenue, visitors, closed_at FROM sales {condition}")

    assert rows.num_rows == {"": 10, "WHERE day >= :start": 8}.get(condition, 4)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT * FROM sale", "no such table: sale"),
        ("SELECT shop FROM sales", "no such column: shop"),
        ("SELEKT * FROM sales", 'near "SELEKT": syntax error'),
        ("SELECT * FROM sales WHERE day > :begin", "it names the parameter :begin, and only :start and :end are"),
        ("SELECT * FROM sales WHERE day > ':start' AND day < :end", "it has :start in quotes, where it is text"),
    ],
)
def test_a_failed_query_is_an_error_with_the_databases_reason(engine: Engine, query: str, reason: str) -> None:
    """The error names the file, the connection and the database's reason."""
    with pytest.raises(SourceUnreadable) as told:
        read(engine, query)

    assert str(told.value).startswith("shop: source 'sales': the query sql/sales.sql failed on connection 'shop': ")
    assert reason in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("query", ["", "-- nothing but a comment\n", "UPDATE sales SET revenue = 0"])
def test_a_query_that_selects_nothing_is_an_error(engine: Engine, query: str) -> None:
    """An empty file, or a statement other than SELECT, is a mistake of the query."""
    with pytest.raises(SourceUnreadable, match=r"the query sql/sales\.sql failed on connection 'shop'"):
        read(engine, query)


@pytest.mark.parametrize(
    "query", ["DELETE FROM sales RETURNING store", "UPDATE sales SET revenue = 0", "DROP TABLE sales"]
)
def test_a_query_cannot_change_its_source(engine: Engine, tmp_path: Path, query: str) -> None:
    """Whatever a query's file says, the source is only read."""
    with pytest.raises(SourceUnreadable, match="attempt to write a readonly database; correct the query, which must"):
        read(engine, query)

    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        assert database.execute("SELECT count(*), min(revenue) > 0 FROM sales").fetchone() == (10, 1)


def test_a_file_that_is_not_a_database_is_an_error(tmp_path: Path) -> None:
    """The error has SQLite's own reason."""
    (tmp_path / "broken.db").write_bytes(b"this is not a database, and longer than a header of it" * 20)
    engine = create_engine(URL.create("sqlite", database=str(tmp_path / "broken.db")))

    with pytest.raises(SourceUnreadable, match="file is not a database"):
        read(engine)


def test_a_range_without_rows_is_one_empty_chunk_with_the_columns(engine: Engine) -> None:
    """The caller sees the columns and decides what an empty range means."""
    later = datetime(2030, 1, 1, tzinfo=UTC)

    [chunk] = deliver(engine, start=later, end=later + timedelta(days=1)).chunks

    assert chunk.rows.num_rows == 0
    assert chunk.rows.column_names == list(SOURCE.columns)


@pytest.mark.parametrize(
    ("selected", "sentence"),
    [
        ("revenue AS revenues,", r"lacks column 'revenue' \(renamed to 'revenues'\?\)"),
        ("revenue, revenue,", "has column 'revenue' twice"),
    ],
)
def test_the_columns_of_an_empty_range_are_checked(engine: Engine, selected: str, sentence: str) -> None:
    """A renamed column is an error on an empty day too."""
    later = datetime(2030, 1, 1, tzinfo=UTC)

    with pytest.raises(SchemaMismatch, match=sentence):
        read(engine, factories.SHOP_SQL.replace("revenue,", selected), later, later + timedelta(days=1))


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (factories.SHOP_SQL.replace("revenue,", "revenue AS revenues,"), r"\(renamed to 'revenues'\?\)"),
        (factories.SHOP_SQL.replace("revenue,", "revenue, 1 AS tip,"), "has column 'tip', which"),
        (factories.SHOP_SQL.replace("revenue,", "revenue, revenue,"), "has column 'revenue' twice"),
        (factories.SHOP_SQL.replace("visitors,", "'many' AS visitors,"), "declared as integer, and the value 'many'"),
        (
            factories.SHOP_SQL.replace("visitors,", "CASE store WHEN 'store-0' THEN 1 ELSE 'many' END AS visitors,"),
            "declared as integer, and the value 'many'",
        ),
    ],
)
def test_a_result_with_other_columns_is_an_error(engine: Engine, query: str, sentence: str) -> None:
    """A renamed, new, doubled or differently typed column is named."""
    with pytest.raises(SchemaMismatch, match=sentence):
        read(engine, query)
