"""Runs of whole DAGs in a process of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.airflow import airflow_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class DagOutcome:
    """The outcome of a run: its state, its tasks' states, its note, and its log."""

    state: str
    tasks: dict[str, str]
    note: str | None
    log: str


@pytest.fixture(scope="session")
def ask_airflow(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    """Start a process that has imported Airflow and the tasks' libraries; return a function that lets it fork a run."""
    home = tmp_path_factory.mktemp("dags")
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("run_dags.py")), str(migrated)],
        env=airflow_environment(home),
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def ask(**asked: Any) -> int:
        server.stdin.write(json.dumps({"environment": airflow_environment(home)} | asked) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    yield ask
    server.stdin.close()
    server.wait()


@pytest.fixture
def run_dags(ask_airflow: Callable[..., int], tmp_path: Path) -> Callable[..., list[DagOutcome]]:
    """Return a function that runs DAGs with their params, in an Airflow of this test's own."""

    def run(*runs: tuple[str, dict[str, Any]]) -> list[DagOutcome]:
        result, printed = tmp_path / "result.json", tmp_path / "printed.txt"
        result.unlink(missing_ok=True)
        code = ask_airflow(runs=runs, result=str(result), printed=str(printed))
        told = printed.read_text(encoding="utf-8", errors="replace")
        assert code == 0, told[-3000:]
        logs = told.split("=== NEXT RUN ===")
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
