"""The demo as a newcomer runs it: what it promotes, what it predicts, and what it leaves."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pytest
import yaml

from include import lake
from include.config.loader import load_pipeline
from include.core import settings
from include.ops.demo.sources import connections
from include.ops.embedded.environment import stack_secrets
from include.ops.embedded.processes import stop_marked
from include.workflows.score.plan import plan_scoring
from include.workflows.score.score import score_rows
from tests.integration.embedded.running import own_ports

if TYPE_CHECKING:
    from pathlib import Path

    from include.ops.demo.sources import DemoSources


def write_quick(pipelines: Path) -> None:
    """Write the demo's pipeline with a shorter search."""
    folder = pipelines / "flight_delays"
    shutil.copytree(settings.pipelines_folder() / "flight_delays", folder)
    path = folder / "pipeline.yaml"
    fields = yaml.safe_load(path.read_text())
    fields["training"]["tuning"]["seconds"] = 10
    path.write_text(yaml.safe_dump(fields))


@pytest.mark.parametrize("shipped", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "as-shipped"])
def test_the_demo_ends_with_a_promoted_version_and_leaves_nothing_running(
    shipped: bool, year_of_flights: DemoSources, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make demo EXIT=1` ingests, retrains once, shows the verdict, and ends with status 0; its champion predicts."""
    if not shipped:
        write_quick(tmp_path / "pipelines")
        monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(tmp_path / "pipelines"))
    home.mkdir()
    (home / "sources").symlink_to(year_of_flights.database.parent)
    ports = own_ports()
    done = subprocess.run(
        [sys.executable, "-m", "include", "demo", "--exit"],
        cwd=settings.root(),
        env=os.environ | ports | {"PYTHONPATH": str(settings.root())},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    for shown in (
        "schedule.publish",
        "tune_candidates",
        "prove_features",
        "VERDICT  promote",
        "Registered: flight_delays version 1",
    ):
        assert shown in done.stdout
    assert "login admin, password" in done.stdout
    with closing(sqlite3.connect(home / "airflow" / "airflow.db")) as database:
        runs = database.execute("SELECT state FROM dag_run WHERE dag_id = 'flight_delays.retrain'").fetchall()
    assert runs == [("success",)]
    assert_ended(home, ports)
    assert_champion_predicts(home, monkeypatch)


def assert_ended(home: Path, ports: dict[str, str]) -> None:
    """Check that no process of the stack is left and nothing answers, and that no log has a secret."""
    assert stop_marked(home) == 0
    for port in ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0
    logs = "\n".join(path.read_text(errors="replace") for path in home.rglob("*.log"))
    assert {"api-server.log", "scheduler.log", "mlflow.log"} <= {path.name for path in home.rglob("*.log")}
    assert "VERDICT" in logs  # the tasks' logs are among them
    assert [name for name, secret in stack_secrets(home).items() if secret in logs] == []


def assert_champion_predicts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the champion predicts the flights of the day after the last one it has seen, none of them surely."""
    for name, value in connections(home / "sources").items():
        monkeypatch.setenv(name, value)
    pipeline = load_pipeline("flight_delays")
    plan = plan_scoring(pipeline, "the-scoring", None)
    midnight = datetime.combine(plan.as_of + timedelta(days=1), time.min)

    score_rows(pipeline, plan)

    found = lake.read_predictions(lake.predictions_uri(pipeline.name), "2013-01-01", date.max.isoformat())
    assert found is not None
    assert found.num_rows > 500
    assert set(found["prediction_time"].to_pylist()) == {midnight}
    assert 0 < pc.min(found["prediction"]).as_py() < pc.max(found["prediction"]).as_py() < 1
