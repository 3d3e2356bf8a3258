"""Runs DAGs one after another with Airflow's `dag.test()`, and writes their tasks' states as JSON.

A server of its own: Airflow reads its settings once in a process, and to import it with the libraries of the tasks
takes seconds. A line of JSON on standard input asks for a forked process: its `environment`, the `runs`, a DAG's id and
params each, the file for the `result` and the file for what is `printed`. Each process finds a new copy of Airflow's
database. The answer is a line with the process's exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

from pytest_socket import socket_allow_hosts

from include.core import settings


def main(runs: list[tuple[str, dict[str, object]]], result: Path) -> None:
    """Run the DAGs and write each run's state and the states of its tasks; a marker separates their logs."""
    from airflow.dag_processing.dagbag import DagBag

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
    result.write_text(json.dumps(outcomes), encoding="utf-8")


def note(dag_id: str, run_id: str) -> str | None:
    """Return the note of a run as the database has it."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one().note


def child(environment: dict[str, str], runs: list[Any], result: str, printed: str) -> None:
    """Run the DAGs in this forked process, and end it."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        with Path(printed).open("wb") as output:
            for stream in (sys.stdout, sys.stderr):
                os.dup2(output.fileno(), stream.fileno())
        main(runs, Path(result))
        code = 0
    except BaseException:  # noqa: BLE001  this process ends here, whatever it was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(migrated: Path) -> None:
    """Answer the lines of standard input until it ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # where Airflow may log
    # Airflow comes last: skops asks every loaded module for names, and Airflow's warn of each
    for module in ("tests.preloaded", "airflow.dag_processing.dagbag", "airflow.models.dagrun"):
        importlib.import_module(module)
    home = Path(os.environ["AIRFLOW_HOME"])
    for line in sys.stdin:
        asked = json.loads(line)
        for old in home.glob("airflow.db*"):
            old.unlink()
        shutil.copy(migrated / "airflow.db", home)
        process = os.fork()
        if process == 0:
            child(**asked)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), file=answers, flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
