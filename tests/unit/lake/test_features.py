"""The feature table is replaced by months, records its builds, and is read in order."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from include import lake
from include.core.errors import LakeError, PublishConflict

START = datetime.fromisoformat("2024-01-30")


@pytest.fixture
def uri(home: object) -> str:
    """Return the address of a feature table of four days in two months, two rows a day."""
    uri = lake.features_uri("shop")
    lake.write_features(uri, rows(0, 4), "first", {"rows": 8})
    return uri


def rows(first: int, last: int, value: float = 0.0) -> pa.Table:
    """Return two rows of each day from one to before another, counted from 30 January."""
    days = [day for day in range(first, last) for _ in range(2)]
    columns = {
        "key": [f"{day}-{number % 2}" for number, day in enumerate(days)],
        "prediction_time": pa.array([START + timedelta(days=day) for day in days], pa.timestamp("us")),
        "value": pa.array([value] * len(days), pa.float64()),
    }
    return pa.table(columns)


def opened(uri: str) -> lake.FeatureRows:
    """Open an existing table."""
    found = lake.open_features(uri)
    assert found is not None
    return found


def day(number: int) -> datetime:
    """Return the midnight of a day counted from 30 January."""
    return START + timedelta(days=number)


def test_a_missing_table_has_no_builds(home: object) -> None:
    """A missing table is not an error."""
    assert lake.open_features(lake.features_uri("shop")) is None


def test_rows_come_back_in_their_order_without_the_partition(uri: str) -> None:
    """Rows come month by month, whatever order the log has its files in."""
    assert lake.read_features(uri, 0) == rows(0, 4)
    assert lake.read_features(uri, 0, day(3)) == rows(3, 4)


def test_months_are_replaced_from_a_time_on(uri: str) -> None:
    """January's file stays; February has exactly the new rows."""
    january = {path for path in DeltaTable(uri).file_uris() if "2024-01-01" in path}
    kept = opened(uri).read(day(2), day(3))

    version = opened(uri).replace(day(3), pa.concat_tables([kept, rows(3, 6, value=1.0)]), "second", {"rows": 12})

    assert lake.read_features(uri, version) == pa.concat_tables([rows(0, 3), rows(3, 6, value=1.0)])
    assert {path for path in DeltaTable(uri).file_uris() if "2024-01-01" in path} == january
    assert lake.read_features(uri, 0) == rows(0, 4)


def test_some_rows_and_columns_can_be_read(uri: str) -> None:
    """A reader may ask for a range of time and for some columns."""
    found = opened(uri).read(day(1), day(3), ["key", "prediction_time"])

    assert found == rows(1, 3).select(["key", "prediction_time"])


def test_a_build_is_found_by_its_digest(uri: str) -> None:
    """The newest build is found too."""
    opened(uri).replace(day(2), rows(2, 5), "second", {"rows": 10})
    table = opened(uri)

    assert table.find("first") == lake.FeatureBuild(0, "first", {"rows": 8})
    assert table.find("third") is None
    assert table.newest() == lake.FeatureBuild(1, "second", {"rows": 10})


def test_upkeep_is_no_build(uri: str) -> None:
    """After upkeep, the newest rows still belong to the build before it."""
    lake.write_features(uri, rows(0, 4, value=2.0), "second", {})
    DeltaTable(uri).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    table = DeltaTable(uri)
    assert table.history(1)[0]["operation"] == "VACUUM END"

    assert opened(uri).newest() == lake.FeatureBuild(1, "second", {})


def test_rows_of_another_writer_have_no_build(uri: str) -> None:
    """Nothing records what they were made from."""
    write_deltalake(uri, DeltaTable(uri).to_pyarrow_table(), mode="overwrite")

    assert opened(uri).newest() is None


@pytest.mark.parametrize("order", ["all first", "a month first"])
def test_a_new_month_and_a_concurrent_rebuild_conflict(uri: str, order: str) -> None:
    """Delta alone would accept both commits and mix their rows."""
    overtaken = opened(uri)
    if order == "all first":
        lake.write_features(uri, rows(0, 4, value=1.0), "rebuilt", {})
        expected = rows(0, 4, value=1.0)
    else:
        opened(uri).replace(day(40), rows(40, 41), "quicker", {})
        expected = pa.concat_tables([rows(0, 4), rows(40, 41)])

    with pytest.raises(PublishConflict, match="another run built features at the same time") as refused:
        overtaken.replace(day(70), rows(70, 71), "slower", {})

    assert refused.value.retryable
    assert lake.read_features(uri, lake.latest_version(uri) or 0) == expected


def test_rows_of_another_type_leave_the_table_unchanged(uri: str) -> None:
    """A column of another type is refused in a sentence, and the last version stays."""
    text = rows(2, 3).set_column(2, "value", pa.array(["x", "y"]))

    with pytest.raises(LakeError, match="the rows since 2024-02-01 could not be written"):
        opened(uri).replace(day(2), text, "second", {})

    assert lake.latest_version(uri) == 0


def test_a_table_may_have_no_rows(home: object) -> None:
    """A pipeline whose query returns no rows yet has a table with its columns."""
    uri = lake.features_uri("shop")
    version = lake.write_features(uri, rows(0, 0), "none", {})

    assert lake.read_features(uri, version) == rows(0, 0)
    assert opened(uri).replace(day(0), rows(0, 0), "again", {}) == version + 1
