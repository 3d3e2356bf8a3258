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
