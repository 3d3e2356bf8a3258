"""The demo as a newcomer runs it, on the whole year."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from include.core import settings
from include.ops.embedded.processes import stop_marked

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demo_ends_with_a_promoted_version_and_leaves_nothing_running(home: Path) -> None:
    """`make demo EXIT=1` ingests, retrains once, shows the verdict, and ends with status 0."""
    done = subprocess.run(
        [sys.executable, "-m", "include", "demo", "--exit"],
        cwd=settings.root(),
        env=os.environ | {"PYTHONPATH": str(settings.root())},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    for told in (
        "schedule.publish",
        "tune_candidates",
        "VERDICT  promote",
        "Registered: flight_delays version 1",
    ):
        assert told in done.stdout
    assert "login admin, password" in done.stdout
    with closing(sqlite3.connect(home / "airflow" / "airflow.db")) as database:
        runs = database.execute("SELECT state FROM dag_run WHERE dag_id = 'flight_delays.retrain'").fetchall()
    assert runs == [("success",)]
    assert stop_marked(home) == 0
