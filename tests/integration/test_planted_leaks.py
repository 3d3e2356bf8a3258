"""Leaks that teams write into features.sql are planted one at a time: each is found, and the clean query passes.

Parcels are sent at six and at eighteen o'clock, announced up to two hours before, and arrive ten to forty hours later.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

from include import lake
from include.cli import main
from include.config.loader import load_pipeline
from include.core.errors import FeatureLeak, FeatureQueryFailed, NotIngested
from include.features.build import build_features
from include.features.leakage_check import LeakageReport, check_leakage, check_newest_features
from include.features.snapshot import pin_snapshot

if TYPE_CHECKING:
    from pathlib import Path

FIRST, DAYS, PARCELS, ROUTES = date(2024, 3, 1), 25, 150, 4
LAST = FIRST + timedelta(days=DAYS - 1)

YAML = """\
description: How many hours will a parcel take?
owner: parcels
history_days: 25
sources:
  orders: {kind: files, connection: none, path: "{ds}.csv", key: [parcel], day: ships_at, available_at: announced_at,
    columns: {parcel: string, route: string, weight: float, ships_at: timestamp, announced_at: timestamp}}
  arrivals: {kind: files, connection: none, path: "{ds}.csv", key: [parcel], day: arrived_at, available_at: arrived_at,
    columns: {parcel: string, hours: float, arrived_at: timestamp}}
  routes: {kind: files, arrives: snapshot, connection: none, path: routes.csv, key: [route], available_at: measured_at,
    columns: {route: string, distance: float, measured_at: timestamp}}
features:
  key: [parcel]
  label: hours
training: {task: regression, metric: mae, window_days: 10, holdout_days: 3, candidates: [linear]}
gate: {minimum: 50, min_holdout_rows: 20}
"""

#: Clean: every join and window is by what was known. A leak is planted before the FROM, or in what follows.
SQL = """\
WITH history AS (
    SELECT
        orders.route,
        arrivals.available_at AS known_at,
        avg(arrivals.hours) OVER last_week AS mean_7d,
        count(*) OVER last_week AS arrivals_7d
    FROM arrivals
    JOIN orders USING (parcel)
    WINDOW last_week AS (
        PARTITION BY orders.route ORDER BY arrivals.available_at
        RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND CURRENT ROW
    )
)
SELECT
    orders.parcel,
    orders.ships_at AS prediction_time,
    arrivals.hours,
    orders.route,
    orders.weight,
    history.mean_7d,
    history.arrivals_7d,
    routes.distance
FROM orders
LEFT JOIN arrivals USING (parcel)
ASOF LEFT JOIN history ON history.route = orders.route AND history.known_at <= orders.ships_at
ASOF LEFT JOIN routes ON routes.route = orders.route AND routes.available_at <= orders.ships_at
"""


@dataclass
class Lines:
    """Collects the lines of a leakage check."""

    all: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        """Keep a line."""
        self.all.append(line)

    @property
    def cut_offs(self) -> list[datetime]:
        """The cut-offs that were checked."""
        return [datetime.fromisoformat(line.split(" UTC")[0]) for line in self.all if " UTC: " in line[:40]]


class Parcels:
    """A pipeline over a lake with some weeks of parcels."""

    def __init__(self, pipelines: Path) -> None:
        self.folder = pipelines / "parcels"
        self.folder.mkdir(parents=True)
        self.write()

    def write(self, sql: str = SQL, yaml: str = YAML) -> None:
        """Write the pipeline's folder."""
        (self.folder / "pipeline.yaml").write_text(yaml)
        (self.folder / "features.sql").write_text(sql)

    def check(self, cut_offs: int = 4, as_of: date = LAST) -> tuple[LeakageReport, Lines]:
        """Build the features and check them for leakage."""
        pipeline, lines = load_pipeline("parcels"), Lines()
        snapshot = pin_snapshot(pipeline)
        table = build_features(pipeline, snapshot, as_of)
        report = check_leakage(pipeline, table, snapshot, as_of, cut_offs=cut_offs, seed="night", report_line=lines)
        return report, lines

    def leaks(self, sql: str, yaml: str = YAML, cut_offs: int = 4) -> str:
        """Return the error's sentence on a query."""
        self.write(sql, yaml)
        with pytest.raises(FeatureLeak, match=r"^parcels/features\.sql: ") as error:
            self.check(cut_offs)
        assert "\n" not in str(error.value)
        return str(error.value)


def publish(name: str, frame: pd.DataFrame, known_at: str) -> None:
    """Publish rows as the days of a raw table; `ds` is among the columns."""
    frame = frame.assign(batch="b", available_at=frame[known_at])
    kinds = {"M": pa.timestamp("us", tz="UTC"), "f": pa.float64()}
    columns = {name: pa.array(frame[name]).cast(kinds.get(frame[name].dtype.kind, pa.string())) for name in frame}
    rows = pa.table(columns)
    days = [str(day.date()) for day in pd.date_range(frame["ds"].min(), frame["ds"].max())]
    slices = lake.Slices("ds", days, "b", 1, frame["ds"].value_counts().to_dict())
    lake.publish_days(lake.raw_uri("parcels", name), [rows], rows.schema, slices)


def plant(feature: str) -> str:
    """Return the clean query with one more feature."""
    return SQL.replace("    orders.weight,\n", f"    orders.weight,\n    {feature} AS planted,\n")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish some weeks of orders, arrivals and two snapshots of the routes; return the home with the lake."""
    draw = np.random.default_rng(11)
    number = np.arange(DAYS * PARCELS)
    morning = number % PARCELS < PARCELS // 2
    ships_at = pd.Timestamp(FIRST) + pd.to_timedelta(number // PARCELS * 24 + np.where(morning, 6, 18), unit="h")
    hours = draw.uniform(10, 40, len(number))
    weight = draw.gamma(2, 3, len(number))
    weight[-1] = 99  # what is greatest came last, so that no earlier day knew it
    route = pd.Series(draw.integers(0, ROUTES, len(number))).map("route-{}".format)
    orders = pd.DataFrame(
        {
            "parcel": [f"p-{each:05}" for each in number],
            "route": route,
            "weight": weight,
            "ships_at": ships_at,
            # some at the last moment: what becomes known with the question is known
            "announced_at": ships_at - pd.to_timedelta(np.where(number % 10, 2, 0), unit="h"),
            "ds": ships_at.strftime("%Y-%m-%d"),
        }
    )
    arrived_at = (ships_at + pd.to_timedelta(hours, unit="h")).floor("s")
    arrivals = pd.DataFrame({"parcel": orders["parcel"], "hours": hours, "arrived_at": arrived_at})
    arrivals = arrivals.assign(ds=arrived_at.strftime("%Y-%m-%d"))[arrived_at < pd.Timestamp(LAST) + pd.Timedelta("1D")]
    measured = [pd.Timestamp("2020-01-01"), pd.Timestamp(FIRST) + pd.Timedelta("20D")]
    routes = pd.DataFrame(
        {
            "route": [f"route-{each}" for each in range(ROUTES)] * 2,
            "distance": draw.uniform(100, 900, 2 * ROUTES),
            "measured_at": np.repeat(measured, ROUTES),
            "ds": np.repeat([str(FIRST), str(measured[1].date())], ROUTES),
        }
    )
    home = tmp_path_factory.mktemp("parcels") / "var"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHIFT_HOME", str(home))
        publish("orders", orders, "announced_at")
        publish("arrivals", arrivals, "arrived_at")
        publish("routes", routes, "measured_at")
    return home


@pytest.fixture
def parcels(published: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parcels:
    """Copy the lake, and write the pipeline."""
    shutil.copytree(published, home)
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(tmp_path / "pipelines"))
    return Parcels(tmp_path / "pipelines")


def test_the_clean_query_passes(parcels: Parcels) -> None:
    """Every prediction time of the window is checked, and nothing differs, though labels became known since."""
    report, lines = parcels.check(cut_offs=1000)

    assert len(report.cut_offs) == 2 * 10 - 2, "two questions a day in the window, but for the last day's"
    assert report.features == 5
    whole_days = PARCELS * len(report.cut_offs)
    assert report.rows == whole_days - PARCELS // 2, "a day for each cut-off, but half a day for the first"
    assert lines.all[-1] == (
        f"parcels: 18 cut-offs, {report.rows:,} rows, 5 features: nothing from the future, and no feature changed "
        f"with the labels of {report.own_labels} rows"
    )
    assert report.own_labels > 50, "parcels that arrived within the day"
    assert all(line.endswith("the same") for line in lines.all[:-1])


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ("arrivals.hours", "null then; use only rows with available_at <= prediction_time"),
        (
            "avg(arrivals.hours) OVER (PARTITION BY orders.route ORDER BY orders.ships_at ROWS 20 PRECEDING)",
            "differ when only what was known then is read",
        ),
        ("avg(arrivals.hours) OVER (PARTITION BY orders.route)", "differ when only what was known then is read"),
        ("orders.weight / max(orders.weight) OVER ()", "differ when only what was known then is read"),
        ("count(*) OVER (PARTITION BY CAST(orders.ships_at AS DATE))", "150 in the table and 75 then"),
        ("lead(orders.weight) OVER (PARTITION BY orders.route ORDER BY orders.ships_at, orders.parcel)", "null then"),
        ("(SELECT arg_max(r.distance, r.available_at) FROM routes AS r WHERE r.route = orders.route)", " then; "),
    ],
    ids=[
        "the label copied",
        "a window with the current row",
        "target encoding over all rows",
        "a scale over all rows",
        "a count of what is announced later",
        "the next row",
        "a later snapshot",
    ],
)
def test_a_leak_in_a_feature_is_found(parcels: Parcels, feature: str, words: str) -> None:
    """Only the leaking feature is named, with its rows, an example and the two values."""
    sentence = parcels.leaks(plant(feature))

    assert sentence.startswith("parcels/features.sql: 'planted' knows the future: ")
    assert words in sentence
    assert "also differ" not in sentence


def test_a_spine_that_exists_after_the_fact_is_found(parcels: Parcels) -> None:
    """Parcels that have arrived are not yet rows at their prediction time."""
    sentence = parcels.leaks(SQL.replace("LEFT JOIN arrivals USING", "JOIN arrivals USING"))

    assert "rows are missing when only what was known then is read, such as parcel 'p-" in sentence
    assert "the spine must come from what is known at prediction_time" in sentence


def test_a_spine_that_loses_rows_after_the_fact_is_found(parcels: Parcels) -> None:
    """A query that drops slow parcels afterwards has rows to predict that are in no training table."""
    sentence = parcels.leaks(SQL + "WHERE arrivals.hours IS NULL OR arrivals.hours < 30")

    assert "more rows appear when only what was known then is read, such as parcel 'p-" in sentence
    assert "the spine must come from what is known at prediction_time" in sentence


def test_a_prediction_time_that_moves_after_the_fact_is_found(parcels: Parcels) -> None:
    """A prediction time derived from the arrival is another one before the arrival."""
    moved = "coalesce(arrivals.arrived_at - INTERVAL 10 HOURS, orders.ships_at)"
    sentence = parcels.leaks(SQL.replace("orders.ships_at AS", f"{moved} AS"))

    assert "rows are missing" in sentence


def test_a_leak_in_one_row_is_named_exactly(parcels: Parcels) -> None:
    """A leak in a single row at one cut-off is found, with its key, its time and both values."""
    _, lines = parcels.check()
    at = lines.cut_offs[2]
    features = lake.read_table(lake.features_uri("parcels"), 0).to_pandas()
    asked = features[features["prediction_time"] == at]
    row = asked.iloc[len(asked) // 2]
    planted = f"CASE WHEN orders.parcel = '{row['parcel']}' THEN arrivals.hours ELSE orders.weight END"

    sentence = parcels.leaks(SQL.replace("    orders.weight,", f"    {planted} AS weight,"))

    compared = int(lines.all[2].split("UTC: ")[1].split(" rows")[0])
    assert compared == PARCELS
    assert sentence == (
        f"parcels/features.sql: 'weight' knows the future: 1 of {compared} rows differ when only what was known then "
        f"is read, such as parcel '{row['parcel']}' at prediction_time {at} UTC, which has {float(row['hours'])!r} in "
        "the table and null then; use only rows with available_at <= prediction_time"
    )


def test_a_leak_in_an_excluded_column_is_allowed(parcels: Parcels) -> None:
    """An excluded column may hold the outcome, like the label."""
    parcels.write(plant("arrivals.hours"), YAML.replace("label: hours", "label: hours\n  exclude: [planted]"))

    report, _ = parcels.check()

    assert report.features == 5


def test_a_lookback_that_is_long_enough_passes(parcels: Parcels) -> None:
    """A week of arrivals, and the orders of up to two days before them, are within ten days."""
    parcels.write(yaml=YAML.replace("label: hours", "label: hours\n  lookback_days: 10"))

    report, _ = parcels.check(cut_offs=1000)

    assert len(report.cut_offs) == 18


def test_a_table_that_several_nights_built_passes(parcels: Parcels, caplog: pytest.LogCaptureFixture) -> None:
    """Rows from earlier nights are checked like those of one build."""
    parcels.write(yaml=YAML.replace("label: hours", "label: hours\n  lookback_days: 10"))
    caplog.set_level("INFO", "include")
    for ago in (2, 1, 0):
        report, _ = parcels.check(as_of=LAST - timedelta(days=ago))
        assert report.rows

    assert sum("built the rows of" in line for line in caplog.messages) == 2


def test_a_short_lookback_is_distinguished_from_a_leak(parcels: Parcels) -> None:
    """A week of arrivals is not within four days: the setting and both features that need more are named."""
    sentence = parcels.leaks(SQL, YAML.replace("label: hours", "label: hours\n  lookback_days: 4"))

    assert sentence.startswith("parcels/features.sql: 'mean_7d' reads further back than features.lookback_days (4): ")
    assert "only the partitions of 4 days are read" in sentence
    assert "raise features.lookback_days" in sentence
    assert sentence.endswith("; 'arrivals_7d' also differs")
    assert "future" not in sentence


def test_a_leak_is_distinguished_from_a_long_enough_lookback(parcels: Parcels) -> None:
    """A lookback neither hides the future nor is blamed for it."""
    sentence = parcels.leaks(plant("arrivals.hours"), YAML.replace("label: hours", "label: hours\n  lookback_days: 10"))

    assert "'planted' knows the future: " in sentence
    assert "lookback_days" not in sentence


def test_what_may_be_either_is_reported_as_either(parcels: Parcels) -> None:
    """A mean over all rows reads both the future and the far past."""
    planted = plant("avg(arrivals.hours) OVER (PARTITION BY orders.route)")
    sentence = parcels.leaks(planted, YAML.replace("label: hours", "label: hours\n  lookback_days: 10"), cut_offs=1)

    assert "'planted' knows the future, or reads further back than features.lookback_days (10)" in sentence


def test_a_feature_is_reported_once_with_its_most_certain_cause(parcels: Parcels) -> None:
    """On the window's first day only the future is left as a cause; other cut-offs that allow both do not weaken it."""
    planted = plant("avg(arrivals.hours) OVER (PARTITION BY orders.route)")
    yaml = YAML.replace("label: hours", "label: hours\n  lookback_days: 10")
    sentence = parcels.leaks(planted, yaml, cut_offs=1000)

    assert sentence.startswith("parcels/features.sql: 'planted' knows the future: 2,625 of 2,625 rows differ")
    assert "also differ" not in sentence


def test_chance_is_distinguished_from_the_future(parcels: Parcels) -> None:
    """A number that is drawn anew each time is not a leak, and not a feature either."""
    sentence = parcels.leaks(plant("random()"))

    assert "'planted' changes each time the query runs" in sentence
    assert "do not use random()" in sentence
    assert "future" not in sentence


def test_a_feature_since_the_beginning_begins_where_the_table_did(parcels: Parcels) -> None:
    """Without a lookback the same oldest day is read: a running count is unchanged, though the lake has older days."""
    query = SQL.replace("OVER last_week AS arrivals_7d", "OVER (ORDER BY arrivals.available_at) AS arrivals_7d")
    assert query != SQL
    parcels.write(query, YAML.replace("history_days: 25", "history_days: 12"))

    report, _ = parcels.check(cut_offs=1000)

    assert len(report.cut_offs) == 18


def test_a_query_that_fails_on_less_says_when(parcels: Parcels) -> None:
    """A query may fail without what is not known yet; the sentence names the cut-off."""
    early = "(SELECT max(available_at) FROM arrivals) < TIMESTAMP '2024-03-24'"
    parcels.write(plant(f"CASE WHEN {early} THEN CAST(error('too few arrivals') AS INTEGER) END"))

    with pytest.raises(FeatureQueryFailed, match=r"too few arrivals.* only on what was known at 2024-03-\S+ \S+ UTC"):
        parcels.check()


def test_the_command_prints_each_cut_off(parcels: Parcels) -> None:
    """One line for each cut-off, and a last one; nothing is registered or trained."""
    result = CliRunner().invoke(main, ["prove-features", "parcels", "--cut-offs", "3"])

    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line.partition(" UTC: ")[2] for line in lines[:3]] == ["75 rows of the 24 hours before: the same"] + [
        "150 rows of the 24 hours before: the same"
    ] * 2
    [last] = lines[3:]
    assert last.startswith("parcels: 3 cut-offs, 375 rows, 5 features: nothing from the future")
    assert not list((parcels.folder.parent.parent / "var").glob("mlflow*"))


def test_the_command_prints_every_feature_that_differs(parcels: Parcels) -> None:
    """Each leak has a line with rows and an example; the error is one sentence, and the status is not 0."""
    parcels.write(plant("arrivals.hours").replace("    routes.distance\n", "    max(routes.distance) OVER () AS far\n"))

    result = CliRunner().invoke(main, ["prove-features", "parcels", "--cut-offs", "4", "--seed", "5"])

    assert result.exit_code == 1
    *_, first, second, error = result.output.splitlines()
    assert first.startswith("parcels/features.sql: 'planted' knows the future: ")
    assert second.startswith("parcels/features.sql: 'far' knows the future: ")
    assert error == f"Error: FeatureLeak: {first}; 'far' also differs"


def test_a_day_beyond_the_lake_cannot_be_checked(parcels: Parcels) -> None:
    """The sentence names the last day of the lake."""
    with pytest.raises(NotIngested, match=rf"up to {LAST}, but the leakage check needs 2024-06-01"):
        check_newest_features(load_pipeline("parcels"), date(2024, 6, 1), cut_offs=1, seed=0, report_line=Lines())


def test_a_table_without_rows_has_nothing_to_check(parcels: Parcels) -> None:
    """Without a row there is no leak; the training decides what that means."""
    parcels.write(SQL + "WHERE orders.route = 'none'")

    report, lines = parcels.check()

    assert (report.cut_offs, report.rows) == ([], 0)
    assert lines.all == ["parcels: no rows, so there is nothing to check"]
