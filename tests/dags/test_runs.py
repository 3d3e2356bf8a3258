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
    """An alert fails no task: it marks one task as skipped, its lines are warnings, and the run's note names it."""
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
    done = dict.fromkeys(["plan_monitoring", "measure_drift", "ask_retraining"], "success")
    assert outcome.tasks == done | {"confirm_no_alerts": "skipped"}
    assert re.search(r"warning .*alert +feature_shift +revenue_last_day ", outcome.log)
    assert re.search(r"warning .*ALERT  feature_shift revenue_last_day: PSI ", outcome.log)
    assert outcome.note is not None
    assert re.fullmatch(
        r"\d+ alerts, .* as of 2024-03-20 for version 1: .*feature_shift revenue_last_day.*", outcome.note
    )
    assert "a retraining is requested because of " in outcome.log
    assert lake.days_with_rows(lake.monitoring_uri("shop")) == ["2024-03-20"]


def test_an_old_day_can_be_corrected_without_starting_what_follows(run_dags: RunDags, shop: Path) -> None:
    """The days are published, and the skipped task updates no asset; without the choice, it is updated."""
    days = {"start": "2024-01-01", "end": "2024-01-02"}
    usual, quiet = run_dags(("shop.ingest", days), ("shop.ingest", days | {"announce": False}))

    assert [outcome.tasks["announce_tables"] for outcome in (usual, quiet)] == ["success", "skipped"]
    assert (usual.state, quiet.state) == ("success", "success")
    assert quiet.tasks["sales.publish"] == "success"


def test_the_logs_of_an_ingest_link_to_pages_and_name_tables(run_dags: RunDags, shop: Path, home: Path) -> None:
    """A reader of the log in a browser cannot open a path of the server."""
    [outcome] = run_dags(("shop.ingest", {"start": "2024-01-01", "end": "2024-01-02"}))

    assert re.search(r"Data Docs: http://localhost:8080/nightshift/validations/shop/sales/manual", outcome.log)
    assert "as version 1 of the table shop/raw/sales" in outcome.log
    ours = [line for line in outcome.log.splitlines() if "[include." in line]
    assert ours
    assert not [line for line in ours if str(home) in line]
