"""What is known about all models, where some cannot be read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.lake.run_files import records_folder
from include.registry.client import mlflow_client
from include.registry.promotion import hold
from include.registry.records.chain import append
from include.reports.model_row import Alert, Metric
from include.workflows.overview import read_overview
from include.workflows.retrain.run import ingest
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from include.reports.model_row import ModelState

NIGHT = datetime(2024, 3, 21, 2, tzinfo=UTC)


def promote(name: str, champion: int = 1, **content: object) -> None:
    """Register a version as the champion, and record the run that promoted it."""
    with mlflow_client("promoting") as client:
        client.create_registered_model(name)
        client.create_model_version(name, "/nowhere")
        client.set_registered_model_alias(name, "champion", "1")
    decided = {
        "as_of": "2024-03-20",
        "verdict": "promote",
        "reason": "promote: mae is better",
        "challenger_version": champion,
        "champion_before": None,
        "champion_after": champion,
        "metric": {"name": "mae", "value": 5.1, "low": 4.9, "high": 5.3},
    }
    append(name, "retrain", "night", by=f"{name}.retrain", content=decided | content, now=NIGHT)


def state_of(name: str) -> ModelState:
    """Return what is known of one model."""
    [found] = read_overview([name]).models
    return found


def test_a_model_is_read_from_records_mlflow_and_lake(shop: Path) -> None:
    """Champion since when, metric, verdict, hold, alerts, and how far data and predictions reach."""
    ingest(load_pipeline("shop"), date(2024, 1, 1), date(2024, 1, 5), EnvironmentConnections())
    predicted = pa.table({"store_day": ["a"], "prediction": [1.0]})
    lake.publish_predictions(lake.predictions_uri("shop"), "2024-01-04", predicted, "beef", {}, moment=1)
    alert = {"kind": "feature drift", "name": "store", "sentence": "PSI 0.4 is above 0.25", "state": "alert"}
    results = pa.Table.from_pylist([alert, alert | {"name": "weekday", "state": "ok"}])
    lake.publish_monitoring(lake.monitoring_uri("shop"), "2024-01-04", results, "beef", {}, moment=1)
    promote("shop")
    hold("shop", reason="wait", by="ana")

    found = state_of("shop")

    assert found.errors == ()
    assert (found.description, found.owner) == ("What will each store take tomorrow?", "shop-team")
    assert (found.champion, found.since, found.since_before) == (1, NIGHT, False)
    assert found.metric == Metric("mae", 5.1, 4.9, 5.3)
    assert found.verdict is not None
    assert (found.verdict.outcome, found.verdict.reason) == ("promoted", "promote: mae is better")
    assert found.hold is not None
    assert (found.hold.by, found.hold.reason) == ("ana", "wait")
    assert (found.data_through, found.predictions_through) == (date(2024, 1, 5), date(2024, 1, 4))
    assert found.alerts == (Alert("feature drift", "store", "PSI 0.4 is above 0.25"),)
    assert found.alerts_as_of == "2024-01-04"
    assert found.scheduled["retrain"] == "after_ingest"


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ({}, "promoted"),
        ({"champion_after": None}, "not promoted"),
        ({"champion_after": None, "verdict": "keep"}, "kept"),
        ({"champion_after": None, "verdict": "inconclusive"}, "inconclusive"),
        ({"dry_run": True, "challenger_version": None}, "dry run"),
    ],
)
def test_the_outcome_is_what_happened_to_the_champion(shop: Path, content: dict[str, object], outcome: str) -> None:
    """A version that earned its promotion and was held is not said to be promoted."""
    promote("shop", **content)

    verdict = state_of("shop").verdict

    assert verdict is not None
    assert verdict.outcome == outcome


def test_a_pipeline_that_cannot_be_read_is_one_row_with_its_errors(shop: Path) -> None:
    """The other rows are whole, and what can be read of the broken one is in its row."""
    factories.write_shop(shop.parent, "broken", pipeline="owner: nobody\nsorces: {}\n")
    promote("broken")
    promote("shop")
    (records_folder("shop") / "00000002.json").write_bytes(b"{")
    log = shop.parents[1] / "var" / "lake" / "shop" / "predictions" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("broken")
    factories.write_shop(shop.parent, "well")

    found = {model.pipeline: model for model in read_overview().models}

    assert list(found) == ["broken", "shop", "well"]
    assert "did you mean 'sources'" in found["broken"].errors[0]
    assert (found["broken"].champion, found["broken"].since) == (1, NIGHT)
    records, predictions = found["shop"].errors
    assert "00000002.json is not a record" in records
    assert "the table cannot be opened" in predictions
    assert (found["shop"].champion, found["shop"].since) == (1, None)
    assert (found["well"].errors, found["well"].champion) == ((), None)


def test_an_alias_that_was_moved_by_hand_is_an_error(shop: Path) -> None:
    """The metric and the day of another version are not shown as this one's."""
    promote("shop", champion=2)

    found = state_of("shop")

    assert "names version 1 in MLflow, but the last record says version 2" in found.errors[0]
    assert (found.champion, found.since, found.metric) == (1, None, None)


def test_without_mlflow_the_records_name_the_champion(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what is wrong, not one for each row."""
    promote("shop")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    overview = read_overview()

    assert overview.error is not None
    assert "nothing listens there" in overview.error
    assert "holds are not known" in overview.error
    [found] = overview.models
    assert (found.errors, found.champion, found.since) == ((), 1, NIGHT)


def test_a_database_of_mlflow_that_is_out_of_reach_is_one_sentence(shop: Path, home: Path) -> None:
    """An API server without MLflow's address, on a disk that it may not write to, still shows the records."""
    home.mkdir()
    (home / "mlflow").write_text("a file where the folder should be")

    overview = read_overview()

    assert overview.error is not None
    assert "holds are not known" in overview.error
    assert [model.errors for model in overview.models] == [()]


def test_a_changed_pipeline_yaml_is_read_again(shop: Path) -> None:
    """The page does not need a restart of Airflow."""
    assert state_of("shop").owner == "shop-team"

    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("shop-team", "another team"))

    assert state_of("shop").owner == "another team"
