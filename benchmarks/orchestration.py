"""The same retraining in Airflow: beside one process, and what Airflow adds beside an empty DAG."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.features import AS_OF
from benchmarks.measure import PIPELINE, ROUNDS, Comparison, seconds_of, start_afresh, tell
from include.core import settings
from include.ops.demo.sources import connections
from include.ops.embedded.airflow_client import AirflowClient
from include.ops.embedded.stack import Stack, running_stack
from include.workflows.retrain.run import retrain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.config.pipeline import Pipeline

TUNING_SECONDS = 30
WALL_LIMIT, ADDED_LIMIT = 1.3, 1.2
RETRAIN, EMPTY = f"{PIPELINE}.retrain", "empty"
RUN_SECONDS = 900
#: An empty run is short, and now and then a task of it waits for seconds; the median of many is not moved by that.
EMPTY_RUNS = 5


def compare_orchestration(pipeline: Pipeline) -> tuple[Comparison, Comparison]:
    """Run the retraining and an empty DAG in a warm Airflow, and the retraining in this process.

    The rounds in this process come before the stack starts and after it has ended, so that neither takes
    the other's cores.
    """
    in_process(pipeline)  # the first one imports, and makes MLflow's database
    bare = [in_process(pipeline) for _ in range(ROUNDS // 2)]
    wall, added, empty = [], [], []
    with _stack_with_benchmark_dags() as (stack, client):
        for dag_id in (RETRAIN, EMPTY):
            client.pause(dag_id, False)
        for number in range(ROUNDS + 1):
            start_afresh()
            inside, seconds = _in_steps(lambda: _run(stack, client, RETRAIN, _form()))
            idle = [_run(stack, client, EMPTY, {}) for _ in range(EMPTY_RUNS)]
            shown = ", ".join(f"{each:.1f}" for each in idle)
            tell(f"  DAG {seconds:.1f} s, {inside:.1f} s of it in the steps; empty DAG {shown} s")
            if number:  # the first round warms up
                wall.append(seconds)
                added.append(seconds - inside)
                empty += idle
    bare += [in_process(pipeline) for _ in range(ROUNDS - len(bare))]
    return (
        Comparison("retraining DAG, beside one process", wall, bare, limit=WALL_LIMIT),
        Comparison("what Airflow adds, beside an empty DAG", added, empty, limit=ADDED_LIMIT),
    )


def in_process(pipeline: Pipeline) -> float:
    """Return how long a retraining with the same seconds of tuning takes in this process."""
    start_afresh()
    seconds = seconds_of(lambda: retrain(pipeline, f"bench-{time.time_ns()}", AS_OF, TUNING_SECONDS))
    tell(f"  in one process {seconds:.1f} s")
    return seconds


def _form() -> dict[str, Any]:
    return {"as_of": AS_OF.isoformat(), "tuning_seconds": TUNING_SECONDS}


@contextmanager
def _stack_with_benchmark_dags() -> Iterator[tuple[Stack, AirflowClient]]:
    """Start the embedded stack on the benchmark's DAG files, and yield it once it has parsed them."""
    home = settings.home()
    bundle = {
        "name": "benchmarks",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(settings.root() / "benchmarks" / "dags")},
    }
    os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps([bundle])
    try:
        with running_stack(home, connections(home / "sources"), tell) as stack:
            client = AirflowClient.embedded(stack.paths)
            while not (client.has_dag(RETRAIN) and client.has_dag(EMPTY)):
                stack.check()
                assert not client.import_errors(), "\n".join(client.import_errors())
                time.sleep(0.3)
            yield stack, client
    finally:
        del os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"]


def _run(stack: Stack, client: AirflowClient, dag_id: str, form: dict[str, Any]) -> float:
    """Return the seconds from a run's start to its end, as Airflow has them."""
    run_id = client.trigger(dag_id, form)
    deadline = time.monotonic() + RUN_SECONDS
    while (state := client.state(dag_id, run_id)) not in ("success", "failed") and time.monotonic() < deadline:
        stack.check()
        time.sleep(1)
    assert state == "success", f"{dag_id}: {state}; see the tasks' logs below {stack.paths.airflow_home / 'logs'}"
    run = client.run(dag_id, run_id)
    assert run.start_date is not None
    assert run.end_date is not None
    return (run.end_date - run.start_date).total_seconds()


def _in_steps(run: Any) -> tuple[float, float]:
    """Return the seconds that the run's steps noted, added up, and what `run` returns."""
    notes = settings.home() / "step_seconds.jsonl"
    notes.unlink(missing_ok=True)
    seconds = run()
    return sum(json.loads(line)[1] for line in notes.read_text().splitlines()), seconds
