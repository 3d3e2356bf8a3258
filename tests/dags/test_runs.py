"""Whole runs of the DAGs, as Airflow runs them, on the shop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include import lake
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.dags.conftest import DagOutcome

    RunDags = Callable[..., list[DagOutcome]]


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
        ("shop.retrain", {"as_of": "2024-03-20", "tuning_seconds": 30, "dry_run": True}),
    )

    assert outcome.state == "success", outcome.log[-3000:]
    assert "NOT PROMOTED: this is a dry run, which registers nothing (the verdict was promote)" in outcome.log
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
        ("shop.retrain", {"as_of": "2024-03-06", "tuning_seconds": 30}),
        ("shop.score", {"as_of": "2024-03-20"}),
        ("shop.monitor", {}),
    )

    assert scored.state == "success", scored.log[-3000:]
    assert outcome.state == "success", outcome.log[-3000:]
    assert outcome.tasks == dict.fromkeys(["plan_monitoring", "measure_drift", "ask_retraining"], "success")
    assert re.search(r"alert +feature_shift +revenue_last_day ", outcome.log)
    assert "a retraining is requested because of " in outcome.log
    assert lake.days_with_rows(lake.monitoring_uri("shop")) == ["2024-03-20"]
