"""Airflow in a process of its own: runs of whole DAGs, and the choices of its scheduler."""

from __future__ import annotations

import json
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
        [sys.executable, str(Path(__file__).with_name("serve_airflow.py")), str(migrated)],
        env=airflow_environment(home),
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def ask(**asked: Any) -> int:
        asked["environment"] = airflow_environment(home) | asked.get("environment", {})
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    yield ask
    server.stdin.close()
    server.wait()


@pytest.fixture(scope="session")
def run_dags(
    ask_airflow: Callable[..., int], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., list[DagOutcome]]:
    """Return a function that runs DAGs with their params, in an Airflow of this call's own."""

    def run(*runs: tuple[str, dict[str, Any]]) -> list[DagOutcome]:
        folder = tmp_path_factory.mktemp("runs")
        result, printed = folder / "result.json", folder / "printed.txt"
        code = ask_airflow(module="run_dags", arguments=[runs, str(result)], printed=str(printed))
        told = printed.read_text(encoding="utf-8", errors="replace")
        assert code == 0, told[-3000:]
        logs = told.split("=== NEXT RUN ===")
        outcomes = json.loads(result.read_text())
        return [DagOutcome(**outcome, log=log) for outcome, log in zip(outcomes, logs[: len(outcomes)], strict=True)]

    return run


@pytest.fixture(scope="session")
def schedule_tasks(ask_airflow: Callable[..., int]) -> Callable[..., dict[str, Any]]:
    """Return a function that lets Airflow's scheduler choose among waiting tasks of the pipelines in a folder.

    It returns what the scheduler did, and leaves Airflow's database in the subfolder `airflow`.
    """

    def schedule(
        folder: Path, environment: dict[str, str], tasks: list[tuple[str, list[str]]], **question: Any
    ) -> dict[str, Any]:
        result, printed = folder / "result.json", folder / "printed.txt"
        code = ask_airflow(
            module="schedule_tasks",
            arguments=[{"tasks": tasks} | question, str(result), str(folder / "airflow")],
            printed=str(printed),
            environment={"NIGHTSHIFT_PIPELINES": str(folder / "pipelines")} | environment,
        )
        assert code == 0, printed.read_text(encoding="utf-8", errors="replace")[-3000:]
        return json.loads(result.read_text())

    return schedule
