"""A migrated Airflow database, and runs of whole DAGs in a process of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class DagOutcome:
    """The outcome of a run: its state, its tasks' states, and its log."""

    state: str
    tasks: dict[str, str]
    log: str


def airflow_environment(home: Path) -> dict[str, str]:
    """Return an environment in which Airflow keeps everything in a folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    return clean | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "for-tests-only-and-long-enough-to-be-taken",
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate an Airflow database once; each test copies it."""
    home = tmp_path_factory.mktemp("airflow")
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=airflow_environment(home),
        check=True,
        capture_output=True,
    )
    return home


@pytest.fixture
def run_dags(migrated: Path, tmp_path: Path) -> Callable[..., list[DagOutcome]]:
    """Return a function that runs DAGs with their params, in an Airflow of this test's own."""
    home = tmp_path / "airflow"
    shutil.copytree(migrated, home)

    def run(*runs: tuple[str, dict[str, Any]]) -> list[DagOutcome]:
        result = tmp_path / "result.json"
        result.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("run_dags.py")), json.dumps(runs), str(result)],
            env=airflow_environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.is_file(), done.stdout[-3000:]
        logs = done.stdout.split("=== NEXT RUN ===")
        outcomes = json.loads(result.read_text())
        return [DagOutcome(**outcome, log=log) for outcome, log in zip(outcomes, logs[: len(outcomes)], strict=True)]

    return run


def schedule_tasks(
    migrated: Path, folder: Path, environment: dict[str, str], tasks: list[tuple[str, list[str]]], **question: Any
) -> dict[str, Any]:
    """Let Airflow's scheduler choose among waiting tasks of the pipelines in `folder`, and return what it did."""
    shutil.copytree(migrated, folder / "airflow")
    own = {"NIGHTSHIFT_PIPELINES": str(folder / "pipelines")} | environment
    result = folder / "result.json"
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("schedule_tasks.py")),
            json.dumps({"tasks": tasks} | question),
            str(result),
        ],
        env=airflow_environment(folder / "airflow") | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.is_file(), done.stdout[-3000:]
    return json.loads(result.read_text())
