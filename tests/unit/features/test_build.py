"""A feature table is built once for each snapshot, and only from the snapshot."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import FeatureQueryFailed
from include.features.build import build_features, compute_rows
from include.features.feature_table import FeatureTable, read_feature_rows, read_features
from include.features.snapshot import pin_snapshot
from include.workflows.retrain import run
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

LAST = factories.FIRST_DAY + timedelta(days=19)


def ingest(first: int, last: int) -> None:
    """Publish the shop's sales of some days, counted from 0."""
    days = [factories.FIRST_DAY + timedelta(days=number) for number in (first, last)]
    pipeline = load_pipeline("shop")
    run.ingest(pipeline, *days, EnvironmentConnections())


def build(as_of: date = LAST, snapshot: dict[str, int] | None = None) -> FeatureTable:
    """Build the shop's features of a snapshot, by default the newest."""
    pipeline = load_pipeline("shop")
    return build_features(pipeline, snapshot or pin_snapshot(pipeline), as_of)


@pytest.fixture
def ingested(shop: Path) -> Path:
    """Publish twenty days of the shop's sales and return the pipeline's folder."""
    ingest(0, 19)
    return shop


def test_a_build_counts_its_rows_and_columns(ingested: Path) -> None:
    """Rows, labels and columns are counted, and the version can be read."""
    table = build()

    features = read_features(table)
    assert (table.rows, table.labelled_rows, table.columns) == (100, 95, 7)
    assert len(features) == table.rows
    assert list(features)[:3] == ["store_day", "prediction_time", "revenue"]


def test_rows_without_a_label_are_counted_apart(ingested: Path) -> None:
    """Days that wait for their label count as rows, but not as labelled rows."""
    table = build()

    unknown = read_features(table)["revenue"].isna()
    assert (table.rows, table.labelled_rows) == (100, 95)
    assert set(read_features(table)["prediction_time"][unknown].dt.date) == {LAST + timedelta(days=1)}


def test_a_build_lists_the_features_and_their_types(ingested: Path) -> None:
    """The columns to learn from are known without reading a row: neither key nor time nor label."""
    assert build().feature_types == {
        "store": "string",
        "weekday": "int64",
        "revenue_last_day": "double",
        "revenue_mean_7d": "double",
    }


def test_the_partition_of_the_table_is_no_column_of_the_features(ingested: Path) -> None:
    """The partition column belongs to the lake."""
    table = build()

    assert read_feature_rows(table).num_columns == table.columns
    assert lake.read_table(table.uri, table.version).num_columns == table.columns + 1


def test_a_table_of_an_older_release_can_be_read_and_is_rebuilt(ingested: Path) -> None:
    """Such a table has no partitions and a shorter record; an old run is read as it was."""
    rows = read_feature_rows(build())
    uri = lake.features_uri("shop") + "-old"
    version = lake.write_table(uri, rows, "old").version

    found = lake.open_features(uri)

    assert found is not None
    assert found.newest() == lake.FeatureBuild(version, "old", {})
    assert read_feature_rows(FeatureTable(uri, version, ["store_day"], 100, 95, 7, "old")) == rows
    assert lake.write_features(uri, rows, "new", {}) == version + 1
    assert lake.read_features(uri, version + 1) == rows


def test_the_same_snapshot_is_the_same_version(ingested: Path) -> None:
    """A step that runs again finds its earlier result, and writes nothing."""
    first = build()

    assert build() == first
    assert lake.latest_version(first.uri) == first.version


def test_an_older_build_is_found_after_a_newer_one(ingested: Path) -> None:
    """A build is found by its inputs, not by being the last."""
    first = build()
    second = build(LAST - timedelta(days=1))

    assert second.version != first.version
    assert build() == first
    assert lake.latest_version(first.uri) == second.version


@pytest.mark.parametrize("change", ["day", "query", "snapshot", "window"])
def test_other_inputs_make_another_build(ingested: Path, change: str) -> None:
    """Another day, query, snapshot or window is another build, with its own version."""
    first, as_of = build(), LAST
    if change == "day":
        as_of -= timedelta(days=1)
    elif change == "query":
        query = factories.SHOP_FEATURES.replace("dayofweek(spine.day)", "7 - dayofweek(spine.day)")
        factories.write_shop(ingested.parent, features=query)
    elif change == "snapshot":
        ingest(20, 21)
    else:
        window = factories.SHOP_YAML.replace("window_days: 100", "window_days: 18")
        factories.write_shop(ingested.parent, pipeline=window)

    second = build(as_of)

    assert second.build != first.build
    assert second.version != first.version


def test_a_build_sees_nothing_that_was_known_after_its_day(ingested: Path) -> None:
    """Features of a past day are those that its own night would have built."""
    then = build(LAST - timedelta(days=5))

    assert then.rows == 75
    assert read_features(then)["prediction_time"].max().date() == LAST - timedelta(days=4), "at its end"


def test_a_pinned_snapshot_does_not_see_what_was_published_since(ingested: Path) -> None:
    """A run that retries after the next ingestion builds the same features."""
    pipeline = load_pipeline("shop")
    pinned = pin_snapshot(pipeline)
    frame = factories.sales()
    frame["revenue"] = 1.0
    factories.write_sales(ingested.parent.parent / "shop.db", frame)
    ingest(0, 19)

    old, new = build(snapshot=pinned), build()

    assert pinned != pin_snapshot(pipeline)
    assert read_features(old)["revenue"].min() > 50
    assert set(read_features(new)["revenue"].dropna()) == {1.0}


def test_only_the_window_is_predicted(ingested: Path) -> None:
    """Older days are only history."""
    window = factories.SHOP_YAML.replace("window_days: 100", "window_days: 18")
    factories.write_shop(ingested.parent, pipeline=window)

    features = read_features(build())

    assert features["prediction_time"].min().date() == LAST - timedelta(days=17)
    assert features["revenue_last_day"].notna().all(), "the days before the window are seen"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM sale",
        factories.SHOP_FEATURES.replace("AS store_day", "AS storeday"),
        factories.SHOP_FEATURES.replace("ASOF LEFT JOIN history", "LEFT JOIN history"),
    ],
    ids=["no table", "no key", "a join that multiplies"],
)
def test_a_query_that_is_refused_leaves_the_last_features(ingested: Path, query: str) -> None:
    """The table keeps its version and its rows."""
    before = build()
    rows = lake.read_table(before.uri, before.version)
    factories.write_shop(ingested.parent, features=query)

    with pytest.raises(FeatureQueryFailed):
        build()

    assert lake.latest_version(before.uri) == before.version
    assert lake.read_table(before.uri, before.version) == rows


def test_a_failed_build_succeeds_once_the_query_is_fixed(ingested: Path) -> None:
    """A failure leaves nothing that a later build would mistake for its own."""
    factories.write_shop(ingested.parent, features="SELECT * FROM sale")
    with pytest.raises(FeatureQueryFailed):
        build()
    factories.write_shop(ingested.parent)

    assert build().rows == 100


def test_no_rows_are_a_table_without_labels(ingested: Path) -> None:
    """A day before the first sale has no rows; the training decides what that means."""
    factories.write_shop(ingested.parent, features=factories.SHOP_FEATURES + "WHERE sales.store = 'none'")

    table = build()

    assert (table.rows, table.labelled_rows) == (0, 0)


def test_rows_are_read_in_order_of_time_however_they_are_stored(ingested: Path) -> None:
    """Samples are drawn by position and trees sum in the order of rows, so the order matters."""
    table = build()
    rows = lake.read_table(table.uri, table.version)
    mixed = lake.write_table(table.uri, rows.take(list(range(50, 100)) + list(range(50))), "mixed")

    again = read_features(replace(table, version=mixed.version))

    assert again.equals(read_features(table))
    assert again["prediction_time"].is_monotonic_increasing


def test_a_table_of_many_batches_is_written_in_its_order(tmp_path: Path) -> None:
    """The writer writes batches in parallel, so it gets only one."""
    batches = [pa.record_batch({"number": list(range(at, at + 10))}) for at in range(0, 1000, 10)]
    written = lake.write_table(str(tmp_path / "table"), pa.Table.from_batches(batches), "numbers")

    assert lake.read_table(written.uri, written.version)["number"].to_pylist() == list(range(1000))


@pytest.mark.parametrize("lookback", ["", "  lookback_days: 10\n"], ids=["all history", "a lookback"])
def test_rows_computed_alone_equal_those_of_the_build(ingested: Path, lookback: str) -> None:
    """Prediction uses the features that training would see: one day's rows are equal to the last bit."""
    factories.write_shop(
        ingested.parent, pipeline=factories.SHOP_YAML.replace("  label: revenue\n", f"  label: revenue\n{lookback}")
    )
    pipeline, snapshot = load_pipeline("shop"), pin_snapshot(load_pipeline("shop"))
    built = read_feature_rows(build())
    version = lake.latest_version(lake.features_uri("shop"))

    for ago in range(3):
        as_of = LAST - timedelta(days=ago)
        since = datetime.combine(as_of, time.min) + timedelta(microseconds=1)
        midnight = datetime.combine(as_of + timedelta(days=1), time.min)
        of_day = built.filter(pc.equal(built["prediction_time"], midnight))

        found = compute_rows(pipeline, snapshot, as_of, since)
        known = [name for name in found.column_names if name != "revenue"]  # a label that came later is not known then

        assert found.num_rows == 5
        assert found.select(known) == of_day.select(known)
        assert found["revenue"].null_count == 5
    assert lake.latest_version(lake.features_uri("shop")) == version


def test_an_enum_is_text_for_every_reader(ingested: Path) -> None:
    """The lake has no enums, so rows that were never written must not have them either."""
    query = factories.SHOP_FEATURES.replace(
        "    spine.store,\n",
        "    spine.store::ENUM ('store-0', 'store-1', 'store-2', 'store-3', 'store-4') AS store,\n",
    )
    (ingested / "features.sql").write_text(query)
    pipeline, snapshot = load_pipeline("shop"), pin_snapshot(load_pipeline("shop"))

    found = compute_rows(pipeline, snapshot, LAST, datetime.combine(LAST, time.min) + timedelta(microseconds=1))

    assert found["store"].to_pylist() == [f"store-{number}" for number in range(5)]
    assert found.schema.field("store").type == pa.string() == read_feature_rows(build()).schema.field("store").type
