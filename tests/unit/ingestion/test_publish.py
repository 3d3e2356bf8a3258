"""A batch is published once, whole, and with the time at which each row became known."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import ExpectationsFailed, RunMissing, SchemaMismatch, SourceEmpty
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.ingestion.stage import StagedBatch
from include.lake.tables import open_table
from tests import factories
from tests.unit.ingestion.ingested_shop import FIRST, STORES, day, ingest, sell

if TYPE_CHECKING:
    from pathlib import Path

    from deltalake import DeltaTable

LATER = FIRST + timedelta(days=9)

#: Every later snapshot that changed meets it: the maximum of two times with a zone.
OPENED = datetime(2020, 5, 1, tzinfo=UTC)


def table(source: str = "sales") -> tuple[int | None, list[dict[str, object]]]:
    """Return the version and the rows of a raw table, sorted."""
    uri = lake.raw_uri("shop", source)
    version = lake.latest_version(uri)
    if version is None:
        return None, []
    return version, lake.read_table(uri, version).sort_by([("ds", "ascending"), ("store", "ascending")]).to_pylist()


@pytest.fixture
def stores(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the shop a second source, a snapshot of its stores, and return the database.

    Each reading is a second after the one before, in the night after the last day that these tests ask for.
    """
    moments = (datetime(2024, 1, 14, 0, 15, second, tzinfo=UTC) for second in itertools.count())
    monkeypatch.setattr("include.ingestion.extract._now", lambda: next(moments))
    database = shop.parent.parent / "shop.db"
    pipeline = factories.SHOP_YAML.replace("features:\n", STORES + "features:\n", 1)
    factories.write_shop(shop.parent, pipeline=pipeline)
    (shop / "sql" / "stores.sql").write_text("SELECT store, city, opened_at FROM stores", encoding="utf-8")
    change(database, "CREATE TABLE stores (store TEXT, city TEXT, opened_at TEXT)")
    change(
        database, "INSERT INTO stores VALUES ('store-0', 'Berlin', '2020-05-01'), ('store-1', 'Zürich', '2020-05-01')"
    )
    return database


def change(database: Path, statement: str) -> None:
    """Change the shop's database."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


def test_a_day_ingested_twice_is_published_once(shop: Path) -> None:
    """The same rows again change neither the table's version nor its number of rows."""
    first = ingest(day(0))
    before = table()

    again = ingest(day(0))

    assert (first.changed, again.changed) == (True, False)
    assert again.version == first.version
    assert table() == before
    assert len(before[1]) == 5


def test_a_changed_day_is_replaced_as_a_whole(shop: Path) -> None:
    """Rows that the new batch lacks are gone, and the days around it stay."""
    ingest(day(0), day(2))
    frame = factories.sales()
    second = frame["day"].str.startswith("2024-01-02")
    frame.loc[second, "revenue"] = 1.0
    sell(shop, frame[~(second & (frame["store"] == "store-4"))])

    published = ingest(day(1))

    rows = table()[1]
    assert published.changed
    assert [row["store"] for row in rows if row["ds"] == "2024-01-02"] == [f"store-{n}" for n in range(4)]
    assert {row["revenue"] for row in rows if row["ds"] == "2024-01-02"} == {1.0}
    assert {ds: part.rows for ds, part in lake.partitions(published.uri).items()} == {
        "2024-01-01": 5,
        "2024-01-02": 4,
        "2024-01-03": 5,
    }


def test_one_day_of_a_published_range_again_changes_no_rows(shop: Path) -> None:
    """A single day that is ingested again after a backfill has the same rows."""
    ingest(day(0), day(2))
    before = [{**row, "batch": None} for row in table()[1]]

    ingest(day(1))

    assert [{**row, "batch": None} for row in table()[1]] == before


def test_a_row_is_known_from_its_declared_time_and_delay(shop: Path) -> None:
    """`available_at` is the declared column plus the delay until the row reaches the source."""
    text = factories.SHOP_YAML.replace(
        "available_at: closed_at", "available_at: {column: closed_at, delay: '01:30:00'}"
    )
    factories.write_shop(shop.parent, pipeline=text)

    ingest(day(0))

    assert {row["available_at"] for row in table()[1]} == {datetime(2024, 1, 1, 23, 30, tzinfo=UTC)}
    assert {row["closed_at"] for row in table()[1]} == {datetime(2024, 1, 1, 22, tzinfo=UTC)}


def test_a_source_may_have_available_at_itself(shop: Path) -> None:
    """A column of that name stays one column, with its delay added."""
    text = factories.SHOP_YAML.replace("closed_at: timestamp", "available_at: timestamp").replace(
        "available_at: closed_at", "available_at: {column: available_at, delay: '01:00:00'}"
    )
    factories.write_shop(
        shop.parent, pipeline=text, sales_sql=factories.SHOP_SQL.replace("closed_at", "closed_at AS available_at")
    )

    ingest(day(0))

    assert {row["available_at"] for row in table()[1]} == {datetime(2024, 1, 1, 23, tzinfo=UTC)}


def test_a_batch_without_its_file_publishes_nothing(shop: Path) -> None:
    """A batch that nobody staged is an error, and the table stays unchanged."""
    ingest(day(0))
    before = table()

    beef = StagedBatch("shop", "sales", day(1), day(1), "beef", 5, datetime(2024, 1, 3, 0, 15, tzinfo=UTC))
    with pytest.raises(RunMissing, match="the validation of batch beef of source 'sales' is not at"):
        publish_batch(load_pipeline("shop"), beef)
    assert table() == before


def test_rows_that_share_their_key_are_never_published(shop: Path) -> None:
    """A day with a duplicated row fails its validation, and the table stays unchanged."""
    ingest(day(0))
    before = table()
    frame = factories.sales()
    sell(shop, pd.concat([frame, frame[frame["day"].str.startswith("2024-01-02")].iloc[:1]]))

    with pytest.raises(ExpectationsFailed, match="column 'ds, store, day': expect_compound_columns_to_be_unique"):
        ingest(day(1))
    assert table() == before


def test_a_column_with_a_changed_type_is_refused(shop: Path) -> None:
    """A change of `columns` in pipeline.yaml does not rewrite rows that are already published."""
    ingest(day(0))
    before = table()
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("visitors: integer", "visitors: float"))

    with pytest.raises(SchemaMismatch, match=r"the published column 'visitors' \(int64\) is declared as double"):
        ingest(day(1))
    assert table() == before


def test_the_first_snapshot_keeps_its_rows_own_times(stores: Path) -> None:
    """The first snapshot is all that is known about the past, so it is not dated to its day."""
    ingest(LATER, source="stores")

    rows = table("stores")[1]
    assert [(row["store"], row["ds"], row["available_at"]) for row in rows] == [
        ("store-0", "2024-01-10", OPENED),
        ("store-1", "2024-01-10", OPENED),
    ]


def test_a_snapshot_that_did_not_change_is_not_published_again(stores: Path) -> None:
    """A registry that stays the same for weeks is one partition and not one a night."""
    first = ingest(LATER, source="stores")
    before = table("stores")

    again = [ingest(LATER + timedelta(days=n), source="stores") for n in (0, 1, 2)]

    assert [(each.version, each.changed) for each in again] == [(first.version, False)] * 3
    assert table("stores") == before


def test_a_changed_snapshot_is_known_from_the_end_of_its_day(stores: Path) -> None:
    """It is read after the day's end, so a prediction in that day's morning must not use it."""
    ingest(LATER, source="stores")
    change(stores, "UPDATE stores SET city = 'Bern' WHERE store = 'store-1'")
    came = LATER + timedelta(days=3)

    published = ingest(came, source="stores")

    rows = [row for row in table("stores")[1] if row["ds"] == came.isoformat()]
    assert published.changed
    assert [(row["city"], row["available_at"]) for row in rows] == [
        ("Berlin", datetime(2024, 1, 13, 23, 59, 59, 999999, tzinfo=UTC)),
        ("Bern", datetime(2024, 1, 13, 23, 59, 59, 999999, tzinfo=UTC)),
    ]


def test_a_snapshot_that_is_read_long_after_its_day_is_known_from_when_it_was_read(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Today's content was not known on a day weeks ago that is ingested today."""
    ingest(LATER, source="stores")
    change(stores, "UPDATE stores SET city = 'Bern' WHERE store = 'store-1'")
    read = datetime(2024, 3, 1, 12, tzinfo=UTC)
    monkeypatch.setattr("include.ingestion.extract._now", lambda: read)

    ingest(LATER + timedelta(days=3), source="stores")

    assert {row["available_at"] for row in table("stores")[1] if row["ds"] == "2024-01-13"} == {read}


def test_a_row_newer_than_its_snapshots_day_keeps_its_own_time(stores: Path) -> None:
    """The end of a snapshot's day is the earliest time that its rows were known, not the latest."""
    ingest(LATER, source="stores")
    change(stores, "INSERT INTO stores VALUES ('store-2', 'Bonn', '2024-01-14 08:00:00')")

    ingest(LATER + timedelta(days=3), source="stores")

    [row] = [row for row in table("stores")[1] if row["store"] == "store-2"]
    assert row["available_at"] == datetime(2024, 1, 14, 8, tzinfo=UTC)


def test_the_earlier_snapshot_stays_with_the_changed_one(stores: Path) -> None:
    """A prediction for a day before the change uses the earlier snapshot."""
    ingest(LATER, source="stores")
    before = table("stores")[1]
    change(stores, "UPDATE stores SET city = 'Bern' WHERE store = 'store-1'")

    ingest(LATER + timedelta(days=3), source="stores")

    assert table("stores")[1][:2] == before
    assert list(lake.partitions(lake.raw_uri("shop", "stores"))) == ["2024-01-10", "2024-01-13"]


def test_a_snapshot_that_came_back_to_an_older_state_is_published(stores: Path) -> None:
    """Only the previous snapshot counts: a reverted change is a change."""
    ingest(LATER, source="stores")
    change(stores, "UPDATE stores SET city = 'Bern' WHERE store = 'store-1'")
    ingest(LATER + timedelta(days=1), source="stores")
    change(stores, "UPDATE stores SET city = 'Zürich' WHERE store = 'store-1'")

    assert ingest(LATER + timedelta(days=2), source="stores").changed
    assert table("stores")[1][-1]["city"] == "Zürich"


def test_a_snapshot_corrected_to_the_previous_state_replaces_the_wrong_one(stores: Path) -> None:
    """If a day was wrong and is then read again equal to the day before, the wrong snapshot must not stay."""
    ingest(LATER, source="stores")
    change(stores, "UPDATE stores SET city = 'Wrong'")
    ingest(LATER + timedelta(days=1), source="stores")
    change(stores, "UPDATE stores SET city = CASE store WHEN 'store-0' THEN 'Berlin' ELSE 'Zürich' END")

    ingest(LATER + timedelta(days=1), source="stores")

    assert "Wrong" not in {row["city"] for row in table("stores")[1]}


def test_a_snapshot_of_today_is_not_published_for_an_earlier_day(stores: Path) -> None:
    """A backfill reads today's table, which was not known on the backfilled day."""
    ingest(LATER, source="stores")
    before = table("stores")
    change(stores, "UPDATE stores SET city = 'Bern' WHERE store = 'store-1'")

    assert not ingest(LATER - timedelta(days=3), source="stores").changed
    assert table("stores") == before


def test_an_empty_snapshot_is_refused_and_the_last_one_stays(stores: Path) -> None:
    """A snapshot without rows is a failure of the source."""
    ingest(LATER, source="stores")
    before = table("stores")
    change(stores, "DELETE FROM stores")

    with pytest.raises(SourceEmpty, match="the snapshot has 0 rows, and at least 1 are expected"):
        ingest(LATER + timedelta(days=1), source="stores")
    assert table("stores") == before


def test_a_snapshot_with_a_row_twice_is_refused_and_the_last_one_stays(stores: Path) -> None:
    """A store that is in the registry twice would double its sales."""
    ingest(LATER, source="stores")
    before = table("stores")
    change(stores, "INSERT INTO stores SELECT * FROM stores WHERE store = 'store-1'")

    with pytest.raises(ExpectationsFailed, match="column 'store': expect_column_values_to_be_unique"):
        ingest(LATER + timedelta(days=1), source="stores")
    assert table("stores") == before


def test_steps_that_share_an_open_table_open_it_once(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a table of years is slow; the steps still see what another run publishes between them."""
    ingest(day(0))
    pipeline, raw, opened = load_pipeline("shop"), lake.RawTable(lake.raw_uri("shop", "sales")), []

    def counting(uri: str, version: int | None = None) -> DeltaTable | None:
        opened.append(uri)
        return open_table(uri, version)

    monkeypatch.setattr("include.lake.days.open_table", counting)
    batch = extract_source(pipeline, "sales", day(1), day(1), EnvironmentConnections(), raw)
    while_extracted = opened.copy()
    later = ingest(day(1))
    opened.clear()
    published = publish_batch(pipeline, batch, raw)

    assert while_extracted.count(raw.uri) == 1
    assert raw.uri not in opened
    assert published == lake.TableVersion(raw.uri, later.version, batch.rows, changed=False)
