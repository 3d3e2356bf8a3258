"""Whole runs of the DAGs, as Airflow runs them, on a few weeks of flights and on the shop."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from include import lake
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from include.ops.demo.sources import DemoSources
    from tests.dags.conftest import DagOutcome

    RunDags = Callable[..., list[DagOutcome]]


def test_the_flights_of_a_few_weeks_become_a_champion(
    run_dags: RunDags, flights: DemoSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range of days is ingested in one run, the retraining promotes, a second one ties, and the champion predicts."""
    short_weeks(tmp_path, monkeypatch)

    ingest, first, second, score = run_dags(
        ("flight_delays.ingest", {"start": "2013-01-01", "end": "2013-02-20"}),
        ("flight_delays.retrain", {"as_of": "2013-02-20", "tuning_seconds": 3}),
        ("flight_delays.retrain", {"as_of": "2013-02-20", "tuning_seconds": 3}),
        ("flight_delays.score", {}),
    )

    assert set(ingest.tasks.values()) == set(first.tasks.values()) == {"success"}
    assert {"prove_features", "tune_candidates[0]"} < set(first.tasks)
    assert "Registered: flight_delays version 1, alias champion" in first.log
    assert "VERDICT  promote" in first.log
    assert "VERDICT  keep (the champion stays version 1)" in second.log
    assert score.tasks == {"plan_scoring": "success", "score_rows": "success"}, score.log[-3000:]
    assert "PREDICTED  flight_delays as of 2013-02-20" in score.log
    found = lake.read_predictions(lake.predictions_uri("flight_delays"), "2013-01-01", "2013-02-28")
    assert found is not None
    assert found.num_rows > 800
    assert set(found["prediction_time"].to_pylist()) == {datetime.fromisoformat("2013-02-21")}
    assert 0 < pc.min(found["prediction"]).as_py() < pc.max(found["prediction"]).as_py() < 1


def test_a_failed_expectation_stops_before_anything_is_published(run_dags: RunDags, shop: Path, tmp_path: Path) -> None:
    """The log names column, expectation and count; nothing is published, and nothing downstream runs."""
    broken = factories.sales()
    broken.loc[broken["day"] == "2024-01-11 00:00:00", "revenue"] = -1.0
    factories.write_sales(tmp_path / "shop.db", broken)

    good, bad = run_dags(
        ("shop.ingest", {"start": "2024-01-01", "end": "2024-01-10"}),
        ("shop.ingest", {"start": "2024-01-11", "end": "2024-01-12"}),
    )

    assert good.state == "success"
    assert bad.state == "failed"
    assert bad.tasks["sales.validate"] == "failed"
    assert bad.tasks["sales.publish"] == bad.tasks["announce_tables"] == "upstream_failed"
    assert "column 'revenue': expect_column_values_to_be_between" in bad.log
    assert "failed for 5 of 10 rows" in bad.log
    assert max(lake.partitions(lake.raw_uri("shop", "sales"))) == "2024-01-10"


def test_a_dry_run_registers_nothing(run_dags: RunDags, shop: Path) -> None:
    """The verdict is there, and MLflow has no model."""
    _, outcome = run_dags(
        ("shop.ingest", {"start": "2024-01-01", "end": "2024-03-20"}),
        ("shop.retrain", {"as_of": "2024-03-20", "tuning_seconds": 1, "dry_run": True}),
    )

    assert outcome.state == "success", outcome.log[-3000:]
    assert "dry run: nothing registered" in outcome.log
    assert "VERDICT  promote" in outcome.log


def test_the_monitor_reports_drift_and_requests_a_retraining(run_dags: RunDags, shop: Path) -> None:
    """An alert fails no task: the day is published, the log has the table, and a retraining is requested."""
    text = factories.SHOP_YAML + "schedule: {retrain: when_needed}\nmonitoring: {min_rows: 20, max_feature_shift: 1}\n"
    changed = factories.sales()
    changed.loc[changed["day"] >= "2024-03-14 00:00:00", "revenue"] *= 10
    factories.write_shop(shop.parent, pipeline=text)
    factories.write_sales(shop.parents[1] / "shop.db", changed)

    *_, scored, outcome = run_dags(
        ("shop.ingest", {"start": "2024-01-01", "end": "2024-03-20"}),
        ("shop.retrain", {"as_of": "2024-03-06", "tuning_seconds": 1}),
        ("shop.score", {"as_of": "2024-03-20"}),
        ("shop.monitor", {}),
    )

    assert scored.state == "success", scored.log[-3000:]
    assert outcome.state == "success", outcome.log[-3000:]
    assert outcome.tasks == dict.fromkeys(["plan_monitoring", "measure_drift", "ask_retraining"], "success")
    assert re.search(r"alert +feature_shift +revenue_last_day ", outcome.log)
    assert "a retraining is requested because of " in outcome.log
    assert lake.days_with_rows(lake.monitoring_uri("shop")) == ["2024-03-20"]


def short_weeks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the repository's pipeline short windows for a few weeks of data."""
    import shutil

    import yaml

    from include.core import settings

    folder = tmp_path / "pipelines" / "flight_delays"
    shutil.copytree(settings.pipelines_folder() / "flight_delays", folder)
    path = folder / "pipeline.yaml"
    fields = yaml.safe_load(path.read_text())
    fields["training"] |= {"window_days": 60, "holdout_days": 10}
    fields["training"]["tuning"] |= {"folds": 2, "sample_rows": 2000, "trials": 1}
    fields["gate"] |= {"minimum": 0.5, "baseline": "prior", "bootstrap_rounds": 200}
    path.write_text(yaml.safe_dump(json.loads(json.dumps(fields))))
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(folder.parent))
