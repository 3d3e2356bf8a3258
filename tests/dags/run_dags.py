"""Runs DAGs one after another with Airflow's `dag.test()`, and writes their tasks' states as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag
from pytest_socket import socket_allow_hosts

from include.core import settings


def main(runs: list[tuple[str, dict[str, object]]], result: str) -> None:
    """Run the DAGs and write each run's state and the states of its tasks; a marker separates their logs."""
    socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)
    bag = DagBag(str(settings.root() / "dags"))
    assert not bag.import_errors, bag.import_errors
    outcomes = []
    for dag_id, params in runs:
        dag = bag.dags[dag_id]
        for task in dag.tasks:
            task.retries = 0  # dag.test() sits out the minutes between two tries
        run = dag.test(run_conf=params)
        tasks = {
            task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]": str(task.state)
            for task in run.get_task_instances()
        }
        outcomes.append({"state": str(run.state.value), "tasks": tasks, "note": note(dag_id, run.run_id)})
        sys.stderr.flush()
        print("\n=== NEXT RUN ===", flush=True)
    Path(result).write_text(json.dumps(outcomes), encoding="utf-8")


def note(dag_id: str, run_id: str) -> str | None:
    """Return the note of a run as the database has it."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one().note
