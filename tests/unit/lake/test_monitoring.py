"""Monitoring results are a table, published a day at a time; older versions stay readable."""

from __future__ import annotations

import pyarrow as pa
import pytest

from include import lake

FIRST, SECOND = "2024-03-19", "2024-03-20"


def publish(ds: str, states: list[str], moment: int) -> None:
    """Publish lines of some states as a day's."""
    uri = lake.monitoring_uri("shop")
    lake.publish_monitoring(
        uri, ds, pa.table({"state": pa.array(states, pa.string())}), f"{moment:016x}", {}, moment=moment
    )


def test_a_day_is_replaced_as_a_whole_and_the_others_stay() -> None:
    """A new run of a day leaves no row of the previous one."""
    publish(FIRST, ["ok", "alert"], 1)
    publish(SECOND, ["ok"], 2)
    publish(FIRST, ["unknown"], 3)

    found = lake.read_monitoring(lake.monitoring_uri("shop"), FIRST, SECOND)

    assert found is not None
    assert found.to_pylist() == [{"state": "unknown", "ds": FIRST}, {"state": "ok", "ds": SECOND}]
    assert lake.read_monitoring(lake.monitoring_uri("other"), FIRST, SECOND) is None


def test_days_and_rows_are_read_at_a_version() -> None:
    """A plan pins the version, and later publications do not change it; an empty day is not listed."""
    uri = lake.monitoring_uri("shop")
    publish(FIRST, ["ok"], 1)
    pinned = lake.latest_version(uri)
    publish(FIRST, ["alert"], 2)
    publish(SECOND, ["alert"], 3)
    publish("2024-03-21", [], 4)

    before = lake.read_published(uri, FIRST, SECOND, pinned)

    assert before is not None
    assert before["state"].to_pylist() == ["ok"]
    assert lake.days_with_rows(uri, pinned) == [FIRST]
    assert lake.days_with_rows(uri) == [FIRST, SECOND]
    assert lake.days_with_rows(lake.monitoring_uri("other")) == []


@pytest.mark.parametrize("moment", [1, 2])
def test_the_same_plan_or_an_older_one_changes_nothing(moment: int) -> None:
    """The day of the later plan is kept."""
    publish(FIRST, ["ok"], 2)
    version = lake.latest_version(lake.monitoring_uri("shop"))

    publish(FIRST, ["ok"], moment)

    assert lake.latest_version(lake.monitoring_uri("shop")) == version
