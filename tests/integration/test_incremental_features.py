"""A night builds only the rows that can have changed, and its table equals one that is built whole."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pandas.testing import assert_frame_equal

from include import lake
from include.config.loader import load_pipeline
from include.core.errors import FeatureQueryFailed, PublishConflict
from include.features.build import build_features
from include.features.feature_table import FeatureTable, read_feature_rows, read_features
from include.features.snapshot import pin_snapshot
from include.lake.maintenance import maintain_table
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

DEPOT_YAML = """\
description: How long will each order take?
owner: depot-team
history_days: 100
sources:
  orders:
    kind: files
    connection: depot
    path: orders/{ds}.csv
    key: [order_id]
    available_at: ordered_at
    columns: {order_id: string, depot: string, ordered_at: timestamp}
  deliveries:
    kind: files
    connection: depot
    path: deliveries/{ds}.csv
    key: [order_id]
    available_at: delivered_at
    columns: {order_id: string, hours: float, delivered_at: timestamp}
  depots:
    kind: files
    arrives: snapshot
    connection: depot
    path: depots.csv
    key: [depot]
    available_at: opened_at
    columns: {depot: string, size: integer, opened_at: timestamp}
features:
  key: [order_id]
  label: hours
  lookback_days: 14
training:
  task: regression
  metric: mae
  window_days: 60
  holdout_days: 14
  gap_days: 1
gate:
  minimum: 50
"""

DEPOT_FEATURES = """\
WITH spine AS (
    SELECT order_id, depot, CAST(ordered_at AS DATE) + 1 AS asked FROM orders
),
history AS (
    SELECT o.depot, CAST(d.available_at AS DATE) AS asked, d.hours
    FROM deliveries AS d JOIN orders AS o USING (order_id)
    UNION ALL BY NAME SELECT DISTINCT depot, asked FROM spine
),
windows AS (
    SELECT depot, asked, sum(sum(hours)) OVER last_7 AS hours_7d, sum(count(hours)) OVER last_7 AS deliveries_7d
    FROM history
    GROUP BY depot, asked
    WINDOW last_7 AS (
        PARTITION BY depot ORDER BY asked RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
    )
)
SELECT
    spine.order_id,
    CAST(spine.asked AS TIMESTAMP) AS prediction_time,
    deliveries.hours,
    spine.depot,
    depots.size,
    ratio(windows.hours_7d, windows.deliveries_7d) AS hours_mean_7d,
    windows.deliveries_7d
FROM spine
LEFT JOIN deliveries USING (order_id)
LEFT JOIN windows ON windows.depot = spine.depot AND windows.asked = spine.asked
ASOF LEFT JOIN depots ON depots.depot = spine.depot AND depots.available_at <= spine.asked
"""

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
KINDS = {"order_id": pa.string(), "depot": pa.string(), "hours": pa.float64(), "size": pa.int64()}


@dataclass
class Depot:
    """A lake that grows by one day each night."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    caplog: pytest.LogCaptureFixture | None
    moment: int = 0

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline with its current files."""
        return load_pipeline("depot")

    def publish(self, source: str, day: int, columns: dict[str, list[Any]]) -> None:
        """Replace a day of a source."""
        self.moment += 1
        ds, count = f"{FIRST + timedelta(days=day):%Y-%m-%d}", len(next(iter(columns.values())))
        time = pa.timestamp("us", tz="UTC")
        table = pa.table(
            {"batch": pa.array([str(self.moment)] * count, pa.string()), "ds": pa.array([ds] * count, pa.string())}
        )
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values, KINDS.get(name, time)))
        slices = lake.Slices("ds", [ds], str(self.moment), self.moment, {ds: count})
        lake.publish_days(lake.raw_uri("depot", source), [table], table.schema, slices)

    def publish_orders(self, day: int) -> None:
        """Publish three orders of each of two depots, and the deliveries of earlier ones, one to four days later."""
        at = FIRST + timedelta(days=day, hours=9)
        names = [f"{day:03}-{depot}-{number}" for depot in "ab" for number in range(3)]
        orders = {"order_id": names, "depot": [name[4] for name in names], "ordered_at": [at] * len(names)}
        self.publish("orders", day, orders | {"available_at": [at] * len(names)})
        self.publish_deliveries(day)

    def publish_deliveries(self, day: int, factor: float = 1.0, extra: tuple[str, ...] = ()) -> None:
        """Publish what was delivered on a day: each order takes one to four days."""
        at = FIRST + timedelta(days=day, hours=17)
        orders = [f"{day - late:03}-{depot}-{number}" for late, number in ((1, 0), (2, 1), (4, 2)) for depot in "ab"]
        orders = [*(name for name in orders if name[0] != "-"), *extra]
        draw = np.random.default_rng(day)
        hours = [round(float(draw.normal(30, 5)) * factor, 2) for _ in orders]
        times = {"delivered_at": [at] * len(orders), "available_at": [at] * len(orders)}
        self.publish("deliveries", day, {"order_id": orders, "hours": hours} | times)

    def publish_depots(self, day: int, sizes: tuple[int, int], known: datetime | None = None) -> None:
        """Publish a snapshot that is known at the end of a day."""
        at = known or FIRST + timedelta(days=day, hours=23, minutes=59)
        columns = {"depot": ["a", "b"], "size": list(sizes), "opened_at": [FIRST] * 2, "available_at": [at] * 2}
        self.publish("depots", day, columns)

    def build(self, day: int) -> tuple[FeatureTable, str]:
        """Build the features as of a day; return them and the log line on how they were built."""
        assert self.caplog is not None
        self.caplog.clear()
        with self.caplog.at_level("INFO", logger="include.features.build"):
            table = build_features(self.pipeline, pin_snapshot(self.pipeline), date(2024, 1, 1) + timedelta(days=day))
        return table, self.caplog.messages[0].removeprefix("depot: ")

    def build_all(self, day: int) -> pd.DataFrame:
        """Return the features as of a day, built at once in an empty lake."""
        elsewhere = self.folder / "elsewhere"
        shutil.rmtree(elsewhere, ignore_errors=True)
        shutil.copytree(f"{self.folder}/lake/depot/raw", elsewhere / "depot" / "raw")
        with self.monkeypatch.context() as context:
            context.setenv("LAKE_URI", str(elsewhere))
            table, how = self.build(day)
            assert how == "building all rows: there is no earlier build to reuse"
            return read_features(table)

    def night(self, day: int) -> str:
        """Publish a day's orders, build, compare the table with one built at once, and return the log line."""
        self.publish_orders(day)
        return self.rebuild(day)

    def rebuild(self, day: int) -> str:
        """Build, compare the table with one built at once, and return the log line."""
        table, how = self.build(day)
        found, expected = read_features(table), self.build_all(day)
        assert_frame_equal(found, expected, rtol=1e-9)
        assert (table.rows, table.labelled_rows) == (len(expected), expected["hours"].notna().sum())
        return how

    def label_of(self, order: str, day: int) -> float | None:
        """Return an order's label in the features as of a day."""
        rows = read_feature_rows(self.build(day)[0])
        return rows["hours"][rows["order_id"].to_pylist().index(order)].as_py()


@pytest.fixture(scope="module")
def seventy_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish seventy days, once for all tests, and return the lake."""
    folder = tmp_path_factory.mktemp("depot")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("LAKE_URI", str(folder / "lake"))
        made = Depot(folder, monkeypatch, None)
        made.publish_depots(0, (10, 20), known=FIRST)
        for day in range(70):
            made.publish_orders(day)
    return folder / "lake"


@pytest.fixture
def depot(
    seventy_days: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Depot:
    """Build the features of the last of seventy days."""
    shutil.copytree(seventy_days, tmp_path / "lake")
    monkeypatch.setenv("LAKE_URI", str(tmp_path / "lake"))
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(tmp_path / "pipelines"))
    write(tmp_path)
    made = Depot(tmp_path, monkeypatch, caplog, moment=1000)
    made.build(69)
    return made


def write(folder: Path, pipeline: str = DEPOT_YAML, features: str = DEPOT_FEATURES) -> None:
    """Write the depot's pipeline."""
    factories.write_shop(folder / "pipelines", "depot", pipeline=pipeline, features=features)


def built(days: int, since: str) -> str:
    """Return how the log line begins when some days were built."""
    return f"built the rows of {days} days (since {since}) of 60, onto version "


def test_a_night_adds_its_rows_and_those_whose_label_came(depot: Depot) -> None:
    """A late label reaches back to the oldest order that waits for it, and no further."""
    # of the orders as of day 69, 2024-03-10, the third of day 65 is delivered on day 69; that of day 66 waits
    assert depot.night(70).startswith(built(4, "2024-03-08"))
    assert depot.night(71).startswith(built(4, "2024-03-09"))


def test_a_late_label_appears_on_the_day_of_its_delivery(depot: Depot) -> None:
    """An order that was delivered late has no label before."""
    at = FIRST + timedelta(days=69, hours=17)
    others = {"order_id": ["068-a-0"], "hours": [1.0], "delivered_at": [at], "available_at": [at]}
    depot.publish("deliveries", 69, others)  # and not the order of day 65
    assert depot.rebuild(69).startswith("built the rows of ")
    assert depot.label_of("065-a-2", 69) is None

    depot.publish_orders(70)
    depot.publish_deliveries(70, extra=("065-a-2",))

    assert depot.rebuild(70).startswith(built(5, "2024-03-07"))
    assert depot.label_of("065-a-2", 70) is not None


def test_missed_nights_are_caught_up(depot: Depot) -> None:
    """The next build starts where the last one ended, however long ago."""
    for day in (70, 71, 72):
        depot.publish_orders(day)

    assert depot.night(73).startswith(built(7, "2024-03-08"))


def test_a_day_that_is_published_again_rebuilds_the_rows_that_can_read_it(depot: Depot) -> None:
    """Features from the day on, and labels up to the lookback before it."""
    depot.publish_deliveries(64, factor=2.0)

    assert depot.night(70).startswith(built(70 - 64 + 1 + 14, "2024-02-20"))


def test_a_day_that_comes_late_is_built_from_then_on(depot: Depot) -> None:
    """A new day can change no labels except those that are still missing."""
    raw = lake.raw_uri("depot", "deliveries")
    DeltaTable(raw).delete("ds = '2024-03-06'")  # day 65
    assert depot.rebuild(69).startswith("built the rows of ")
    depot.publish_deliveries(65)

    assert depot.night(70).startswith("built the rows of ")


def test_a_new_snapshot_changes_nothing_before_it(depot: Depot) -> None:
    """It is known from the end of its day, so no earlier row reads it."""
    depot.publish_depots(70, (15, 20))

    assert depot.night(70).startswith(built(4, "2024-03-08"))
    assert depot.night(71).startswith(built(4, "2024-03-09"))
    assert set(read_features(depot.build(71)[0])["size"]) == {10, 15, 20}


def test_a_changed_old_snapshot_rebuilds_everything(depot: Depot) -> None:
    """Any row may have read it, however old it is."""
    depot.publish_depots(0, (11, 20), known=FIRST)

    assert depot.night(70) == "building all rows: rows of the snapshot 'depots' changed that the last build had read"
    assert depot.night(71).startswith("built the rows of 4 days")


@pytest.mark.parametrize("change", ["query", "lookback", "label"])
def test_another_definition_rebuilds_everything(depot: Depot, change: str) -> None:
    """One table never mixes rows of two definitions."""
    pipeline, features = DEPOT_YAML, DEPOT_FEATURES
    if change == "query":
        features = features.replace("INTERVAL 7 DAYS", "INTERVAL 5 DAYS")
    elif change == "lookback":
        pipeline = pipeline.replace("lookback_days: 14", "lookback_days: 15")
    else:
        pipeline = pipeline.replace("label: hours", "label: minutes")
        features = features.replace("deliveries.hours,", "deliveries.hours * 60 AS minutes,")
    write(depot.folder, pipeline, features)
    depot.publish_orders(70)

    table, how = depot.build(70)

    assert how == "building all rows: the definition of the features changed since the last build"
    assert_frame_equal(read_features(table), depot.build_all(70), rtol=1e-9)


def test_upkeep_between_the_nights_changes_nothing(depot: Depot) -> None:
    """A merge, a removal of files and a checkpoint leave the same rows."""
    depot.publish_orders(70)
    for source in ("orders", "deliveries", "depots"):
        maintain_table(depot.pipeline, "raw", source)
    maintain_table(depot.pipeline, "features")

    assert depot.rebuild(70).startswith(built(4, "2024-03-08"))
    maintain_table(depot.pipeline, "features")
    assert depot.night(71).startswith(built(4, "2024-03-09"))


def test_an_earlier_day_is_built_by_itself_and_the_next_night_goes_on_from_it(depot: Depot) -> None:
    """A run as of an earlier day cannot reuse a later build, but later runs can reuse it."""
    depot.publish_orders(70)

    assert depot.rebuild(65) == "building all rows: the last build is as of 2024-03-10, which is later"
    assert depot.rebuild(70).startswith("built the rows of ")


def test_a_wider_window_rebuilds_everything(depot: Depot) -> None:
    """The table may hold rows from before the window, but they are no longer kept up to date."""
    assert depot.night(70).startswith("built the rows of ")
    write(depot.folder, DEPOT_YAML.replace("window_days: 60", "window_days: 65"))

    assert depot.night(71) == "building all rows: the last build begins on 2024-01-12, which is later"


def test_an_old_change_rebuilds_everything(depot: Depot) -> None:
    """If most rows can have changed, it is not worth keeping the others."""
    depot.publish_deliveries(40, factor=2.0)

    assert depot.night(70) == "building all rows: 45 days of the window can differ from the last build"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("  lookback_days: 14\n", "", "features.lookback_days is not set"),
        ("history_days: 100", "history_days: 70", "history_days (70) is less than training.window_days (60) and "),
        (
            "  gap_days: 1",
            "  gap_days: 1\n  deterministic: true\n  tuning: {trials: 2}",
            "training.deterministic needs",
        ),
    ],
)
def test_the_log_says_why_everything_is_rebuilt(depot: Depot, old: str, new: str, why: str) -> None:
    """Each setting that prevents incremental builds is named."""
    write(depot.folder, DEPOT_YAML.replace(old, new))
    depot.publish_orders(70)

    assert depot.build(70)[1].startswith(f"building all rows: {why}")


def test_the_same_build_again_is_the_same_version(depot: Depot) -> None:
    """A task that was killed after its commit finds its result."""
    depot.publish_orders(70)
    first, _ = depot.build(70)

    again, how = depot.build(70)

    assert again == first
    assert how == f"the features of this snapshot are already built, as version {first.version}"


def test_a_build_that_is_killed_before_its_commit_leaves_nothing(depot: Depot) -> None:
    """Readers see the earlier version, and the next try completes it."""
    before, _ = depot.build(69)
    depot.publish_orders(70)
    with depot.monkeypatch.context() as killed:
        killed.setattr("include.lake.FeatureRows.replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            depot.build(70)

    assert lake.latest_version(before.uri) == before.version
    assert depot.rebuild(70).startswith(built(4, "2024-03-08"))


@pytest.mark.parametrize("other", [70, 60], ids=["of the same rows", "of all rows"])
def test_of_two_builds_at_once_one_is_refused_and_nothing_is_mixed(depot: Depot, other: int) -> None:
    """The first to commit wins; the other fails with the advice to retry, and then finds that version."""
    depot.publish_orders(70)
    replace = lake.FeatureRows.replace

    def overtaken(self: lake.FeatureRows, *args: Any) -> int:
        depot.monkeypatch.setattr("include.lake.FeatureRows.replace", replace)
        depot.build(other)
        return replace(self, *args)

    depot.monkeypatch.setattr("include.lake.FeatureRows.replace", overtaken)
    with pytest.raises(PublishConflict) as refused:
        depot.build(70)

    assert refused.value.retryable
    depot.rebuild(70)


def test_a_key_with_another_prediction_time_rebuilds_everything(depot: Depot) -> None:
    """Kept rows must not share a key with new ones; the query over all rows decides."""
    at = FIRST + timedelta(days=70, hours=9)
    depot.publish("orders", 70, {"order_id": ["030-a-0"], "depot": ["a"], "ordered_at": [at], "available_at": [at]})

    with pytest.raises(FeatureQueryFailed, match=r"1 of .* rows share their key"):
        depot.build(70)


def test_the_prediction_time_may_be_part_of_the_key(depot: Depot) -> None:
    """A row for each depot and night has no other key."""
    write(depot.folder, DEPOT_YAML.replace("key: [order_id]\n  label", "key: [order_id, prediction_time]\n  label"))
    assert depot.rebuild(69).startswith("building all rows")

    assert depot.night(70).startswith(built(4, "2024-03-08"))


def test_rows_before_the_window_are_not_read(depot: Depot) -> None:
    """The table still holds them, but readers leave them out."""
    depot.publish_orders(70)
    table, _ = depot.build(70)

    everything = lake.read_features(table.uri, table.version)
    assert everything["prediction_time"].to_pylist()[0] < datetime.fromisoformat(str(table.first_day))
    assert read_features(table)["prediction_time"].min() == pd.Timestamp(table.first_day)
    assert table.rows == len(read_features(table)) < everything.num_rows


def interrupt(*_: object) -> None:
    """Stand in for a process that is killed."""
    raise KeyboardInterrupt
