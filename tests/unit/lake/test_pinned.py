"""The changes of a raw table between two versions are read from its log; merging files is no change."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from include import lake

NEW, AGAIN = False, True


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """Return the address of a table with two days, at version 2."""
    uri = str(tmp_path / "table")
    publish(uri, "2024-01-01", "a")
    publish(uri, "2024-01-02", "b")
    return uri


def publish(uri: str, ds: str, batch: str, *, rows: int = 2, hour: int = 10, extra: int = 0, column: str = "ds") -> int:
    """Publish a day whose rows are known from an hour of it on, an hour apart, and return the version."""
    known = [datetime.fromisoformat(ds).replace(hour=hour + number, tzinfo=UTC) for number in range(rows)]
    texts = {name: pa.array([value] * rows, pa.string()) for name, value in (("batch", batch), ("ds", ds))}
    if column == "delivered":
        texts["delivered"] = pa.array(["2024-01-09"] * rows, pa.string())
    more = {f"x{number}": pa.array([0] * rows, pa.int64()) for number in range(extra)}
    table = pa.table(texts | more | {"available_at": pa.array(known, pa.timestamp("us", tz="UTC"))})
    day = "2024-01-09" if column == "delivered" else ds
    moment = (lake.latest_version(uri) or 0) + 1
    slices = lake.Slices(column, [day], batch, moment, {day: rows})
    return lake.publish_days(uri, [table], table.schema, slices).version


def changes(uri: str, since: int) -> set[tuple[str, bool, datetime | None]] | None:
    """Return the changes up to the newest version."""
    found = lake.PinnedTable(uri, lake.latest_version(uri) or 0).changes_since(since)
    return None if found is None else {(each.ds, each.replaced, each.known_from) for each in found}


def at(day: int, hour: int) -> datetime:
    """Return an hour of a day of January 2024."""
    return datetime(2024, 1, day, hour)  # as the lake tells it: in UTC, and naive


def test_a_new_day_is_known_from_its_first_row(uri: str) -> None:
    """The smallest available_at counts."""
    publish(uri, "2024-01-03", "c", hour=7)

    assert changes(uri, 2) == {("2024-01-03", NEW, at(3, 7))}
    assert changes(uri, 3) == set()


def test_a_replaced_day_counts_added_and_removed_rows(uri: str) -> None:
    """Earlier builds have read the removed rows."""
    publish(uri, "2024-01-02", "c", hour=12)

    assert changes(uri, 2) == {("2024-01-02", AGAIN, at(2, 12)), ("2024-01-02", AGAIN, at(2, 10))}


def test_an_emptied_day_is_a_change(uri: str) -> None:
    """Removed rows are a change too."""
    publish(uri, "2024-01-02", "c", rows=0)

    assert changes(uri, 2) == {("2024-01-02", AGAIN, at(2, 10))}


def test_a_new_day_that_is_published_twice_is_still_new(uri: str) -> None:
    """No build has seen the version in between."""
    publish(uri, "2024-01-03", "c", hour=7)
    publish(uri, "2024-01-03", "d", hour=8)

    assert changes(uri, 2) == {("2024-01-03", NEW, at(3, 7)), ("2024-01-03", NEW, at(3, 8))}


def test_late_rows_change_their_day(tmp_path: Path) -> None:
    """Rows added to a day may change features that were built from all of it."""
    uri = str(tmp_path / "table")
    first = publish(uri, "2024-01-01", "a", column="delivered")
    table = pa.table(
        {
            "batch": ["b"],
            "ds": ["2024-01-01"],
            "delivered": ["2024-01-10"],
            "available_at": pa.array([at(10, 3).replace(tzinfo=UTC)], pa.timestamp("us", tz="UTC")),
        }
    )
    lake.publish_days(uri, [table], table.schema, lake.Slices("delivered", ["2024-01-10"], "b", 9, {"2024-01-10": 1}))

    assert changes(uri, first) == {("2024-01-01", AGAIN, at(10, 3))}


def test_a_merge_changes_nothing(tmp_path: Path) -> None:
    """The same rows are in another file."""
    uri = str(tmp_path / "table")
    publish(uri, "2024-01-01", "a", column="delivered")
    for day in (10, 20):
        ds = f"2024-01-{day}"
        table = pa.table(
            {
                "batch": ["b"] * 2,
                "ds": ["2024-01-01", ds],
                "delivered": [ds] * 2,
                "available_at": pa.array([at(day, 3).replace(tzinfo=UTC)] * 2, pa.timestamp("us", tz="UTC")),
            }
        )
        last = lake.publish_days(uri, [table], table.schema, lake.Slices("delivered", [ds], "b", day, {ds: 2})).version

    assert lake.compact(uri, late_days=5)
    lake.vacuum(uri, keep_days=7)
    assert lake.latest_version(uri) != last
    assert changes(uri, last) == set()


def test_a_wide_table_is_read_for_its_moments(tmp_path: Path) -> None:
    """Only the first columns have statistics, and available_at is the last one."""
    uri = str(tmp_path / "table")
    publish(uri, "2024-01-01", "a", extra=40)
    version = publish(uri, "2024-01-02", "b", extra=40, hour=3)
    assert changes(uri, version - 1) == {("2024-01-02", NEW, at(2, 3))}
    publish(uri, "2024-01-02", "c", extra=40, rows=0)

    assert changes(uri, version) == {("2024-01-02", AGAIN, at(2, 3))}


def test_changes_are_unknown_without_a_complete_log(uri: str) -> None:
    """Unknown changes are not reported as no changes."""
    publish(uri, "2024-01-03", "c")
    assert lake.PinnedTable(uri, 2).changes_since(3) is None
    assert changes(uri, 1) is not None

    table = lake.PinnedTable(uri, 3)
    Path(uri, "_delta_log", f"{2:020}.json").unlink()

    assert table.changes_since(1) is None
    assert table.changes_since(2) == [lake.DayChange("2024-01-03", NEW, at(3, 10))]


def test_a_recreated_table_has_another_identity(uri: str, tmp_path: Path) -> None:
    """The identity is the same at each version of one table."""
    known = lake.PinnedTable(uri, 2).identity
    assert lake.PinnedTable(uri, 1).identity == known
    Path(uri).rename(tmp_path / "removed")

    publish(uri, "2024-01-01", "a")

    assert lake.PinnedTable(uri, 1).identity != known


def test_an_older_version_is_read_as_it_was(uri: str) -> None:
    """A pinned table does not see later publications, and skips days that the caller does not need."""
    publish(uri, "2024-01-02", "c", rows=5)

    assert lake.PinnedTable(uri, 2).dataset().to_table().num_rows == 4
    assert lake.PinnedTable(uri, 2).dataset(date(2024, 1, 2)).to_table()["ds"].to_pylist() == ["2024-01-02"] * 2
    assert lake.PinnedTable(uri, 3).dataset().to_table().num_rows == 7
