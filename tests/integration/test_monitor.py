"""The monitor of a shop whose champion predicts each night: what has changed is told, and what has not is not."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner

from include import lake
from include.cli import main
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import NotIngested, ScoringImpossible
from include.workflows.monitor.measure import measure_drift
from include.workflows.monitor.plan import plan_monitoring
from include.workflows.retrain.run import ingest, run
from include.workflows.score.plan import plan_scoring
from include.workflows.score.score import score_rows
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from include.config.pipeline import Pipeline

TRAINED, FIRST, LAST = date(2024, 3, 6), date(2024, 3, 12), date(2024, 3, 20)
STORES = 40  # in a week more rows than min_rows
FEATURES = {"store", "weekday", "revenue_last_day", "revenue_mean_7d"}


def sales() -> pd.DataFrame:
    """Return sales of many stores, of which each takes about as much as one of the shop's five."""
    towns = [factories.sales(seed=seed) for seed in range(STORES // 5)]
    return pd.concat([town.assign(store=f"{seed}-" + town["store"]) for seed, town in enumerate(towns)])


def take(pipeline: Pipeline, first: date, last: date) -> None:
    """Ingest some days, and predict as of each."""
    ingest(pipeline, first, last, EnvironmentConnections(), run_key=f"ingest {first} {last}")
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        score_rows(pipeline, plan_scoring(pipeline, f"score {first} {day}", day))


def found(pipeline: Pipeline, as_of: date | None = None, run_key: str = "night") -> dict[str, Any]:
    """Return what the monitor finds."""
    return measure_drift(pipeline, plan_monitoring(pipeline, run_key, as_of)).to_json()


def named(alerts: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Return kind and name of each alert."""
    return {(each["kind"], each["name"]) for each in alerts}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let the shop train once and predict for nine nights; each test takes a copy of the home that they left."""
    folder = tmp_path_factory.mktemp("nights")
    with factories.shop_in(folder) as home:
        factories.write_sales(folder / "shop.db", sales())
        pipeline = load_pipeline("shop")
        assert run(pipeline, "first", TRAINED, EnvironmentConnections()).verdict == "promote"
        ingest(pipeline, TRAINED + timedelta(days=1), FIRST, EnvironmentConnections(), run_key="between")
        take(pipeline, FIRST, LAST)
    return home


@pytest.fixture
def after_nights(nights: Path, shop: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Continue from the home of the nights."""
    factories.continue_from(nights, home, monkeypatch)
    return load_pipeline("shop")


def test_a_world_that_has_not_changed_has_no_alert(after_nights: Pipeline) -> None:
    """Every line is ok: features and nulls, predictions, their number, and the metric of the labels that came."""
    done = found(after_nights)

    assert (done["as_of"], done["version"], done["alerts"]) == ("2024-03-20", 1, [])
    rows = lake.read_monitoring(lake.monitoring_uri("shop"), "2024-03-20", "2024-03-20").to_pylist()  # type: ignore[union-attr]
    assert {row["state"] for row in rows if row["name"] != "weekday"} == {"ok"}, done["table"]
    assert [row["kind"] for row in rows if row["state"] == "not applicable"] == ["feature_shift"]
    by_kind = {kind: {row["name"] for row in rows if row["kind"] == kind} for kind in {row["kind"] for row in rows}}
    assert by_kind == {
        "volume": {"predictions"},
        "metric": {"mae", "mae beside the holdout"},
        "prediction_shift": {"prediction"},
        "feature_shift": FEATURES,
        "nulls": FEATURES,
    }
    assert {row["rows"] for row in rows} == {7 * STORES}


def test_the_same_plan_again_publishes_nothing_new(after_nights: Pipeline) -> None:
    """A cleared task finds what it found, even though predictions were made again since; a new run makes a version."""
    first = found(after_nights)
    version = lake.latest_version(first["uri"])
    score_rows(after_nights, plan_scoring(after_nights, "again", LAST))

    assert found(after_nights) == first
    assert lake.latest_version(first["uri"]) == version
    found(after_nights, run_key="another")
    assert lake.days_with_rows(first["uri"]) == ["2024-03-20"]
    assert lake.latest_version(first["uri"]) == version + 1  # type: ignore[operator]


def test_a_seeded_drift_is_found_in_features_predictions_and_metric(after_nights: Pipeline, tmp_path: Path) -> None:
    """From one day on every second day's takings are tenfold: the features that rest on them move, no other does."""
    changed = sales()
    since = changed["day"] >= "2024-03-14 00:00:00"
    changed.loc[since & (changed["day"].str[8:10].astype(int) % 2 == 0), "revenue"] *= 10
    factories.write_sales(tmp_path / "shop.db", changed)
    take(after_nights, date(2024, 3, 14), LAST)

    done = found(after_nights)

    alerts = named(done["alerts"])
    assert {("feature_shift", "revenue_last_day"), ("prediction_shift", "prediction")} <= alerts
    assert {("metric", "mae"), ("metric", "mae beside the holdout")} <= alerts
    assert not {("feature_shift", "store"), ("feature_shift", "weekday"), ("volume", "predictions")} & alerts
    assert done["table"].splitlines()[1].split()[:3] == ["alert", "metric", "mae"]


def test_a_day_that_was_not_predicted_is_an_alert_of_a_clock_of_its_own(after_nights: Pipeline, tmp_path: Path) -> None:
    """After the predictions the day is the last that has them; by a cron it is the last day that came in."""
    factories.write_sales(tmp_path / "shop.db", sales())
    ingest(after_nights, LAST + timedelta(days=1), LAST + timedelta(days=1), EnvironmentConnections())
    schedule = after_nights.schedule.model_copy(update={"monitor": "30 6 * * *"})

    with_clock = after_nights.model_copy(update={"schedule": schedule})
    with_clock._folder = after_nights.folder
    done = found(with_clock, run_key="clock")

    assert found(after_nights)["as_of"] == "2024-03-20"
    assert done["as_of"] == "2024-03-21"
    [alert] = done["alerts"]
    assert (alert["kind"], alert["rows"]) == ("volume", 7 * STORES)
    assert "40 of 280 rows have no prediction; run shop.score as of 2024-03-21" in (alert["sentence"])


def test_a_champion_without_a_reference_is_unknown_and_no_crash(
    after_nights: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs no reference is judged all the same."""
    from include.workflows.monitor import measure

    monkeypatch.setattr(measure, "read_extra_file", lambda champion, name: None)

    done = found(after_nights)

    assert done["alerts"] == []
    assert done["summary"] == "0 alerts, 3 unknown, 3 ok"
    assert "retrain once" in done["table"]


def test_the_reference_is_data_in_the_manifest_of_the_model(after_nights: Pipeline, home: Path) -> None:
    """It is one of the files whose digests the lake keeps, and holds counts and edges."""
    [manifest] = (home / "lake" / "shop" / "manifests").glob("*.json")
    [run_folder] = (home / "lake" / "shop" / "runs").glob("first*")
    [written] = run_folder.glob("reference-*.json")

    assert "extra_files/reference.json" in json.loads(manifest.read_text())["files"]
    kept = json.loads(written.read_text())
    assert set(kept["features"]) == FEATURES
    assert sum(kept["predictions"]["prediction"]["counts"]) == 14 * STORES


def test_the_command_prints_the_table(after_nights: Pipeline) -> None:
    """`./nightshift monitor` shows what the task's log shows, and ends well whatever it found."""
    result = CliRunner().invoke(main, ["monitor", "shop", "--as-of", "2024-03-19"])

    assert result.exit_code == 0, result.output
    assert re.search(r"^ok +feature_shift +revenue_mean_7d +0\.\d{4} ", result.output, re.MULTILINE)
    assert "shop: 0 alerts, 0 unknown, 11 ok, 1 not applicable as of 2024-03-19 for version 1" in result.output


def test_a_day_that_the_lake_lacks_is_one_sentence(after_nights: Pipeline) -> None:
    """Nothing is published of it."""
    with pytest.raises(NotIngested, match=r"holds every source up to 2024-03-20, but the monitor needs"):
        plan_monitoring(after_nights, "night", date(2024, 4, 1))
    assert lake.latest_version(lake.monitoring_uri("shop")) is None


def test_without_a_champion_there_is_nothing_to_compare_with(shop: Path) -> None:
    """The sentence says to retrain."""
    pipeline = load_pipeline("shop")
    ingest(pipeline, date(2024, 1, 1), date(2024, 1, 3), EnvironmentConnections())

    with pytest.raises(ScoringImpossible, match=r"no champion yet.*run the DAG shop\.retrain"):
        plan_monitoring(pipeline, "night")
