"""The peak memory of each step on a year of flights, each in a fork of a process with the heavy libraries.

Airflow's tasks are such forks, of the scheduler. `python -m benchmarks.memory HOME` prints the peaks as JSON.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.features import AS_OF
from benchmarks.measure import LAST_INGESTED, PIPELINE, use_home
from config.airflow_local_settings import HEAVY
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.ops.demo.sources import FIRST_DAY
from include.validation.validate import validate_batch
from include.workflows.retrain import steps
from include.workflows.retrain.plan import plan_run

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_GB = 1.5
TUNING_SECONDS = 30


def peak_memory() -> dict[str, float]:
    """Return the peak of each step in GB, measured in processes that this one's size does not reach."""
    home = settings.home().with_name("memory")
    command = [sys.executable, "-m", "benchmarks.memory", str(home)]
    done = subprocess.run(command, cwd=settings.root(), env=os.environ, stdout=subprocess.PIPE, check=True)  # noqa: S603
    return json.loads(done.stdout.splitlines()[-1])


def _every_step() -> dict[str, float]:
    pipeline, peaks = load_pipeline(PIPELINE), {}

    def step(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        result, peaks[name] = _in_fork(work, *arguments)
        return result

    for source in pipeline.sources:
        where = (pipeline, source, FIRST_DAY, LAST_INGESTED, EnvironmentConnections())
        batch = step(f"{source}.extract", extract_source, *where)
        step(f"{source}.validate", validate_batch, pipeline, batch)
        step(f"{source}.publish", publish_batch, pipeline, batch)
    plan = step("plan_run", plan_run, pipeline, "memory", AS_OF, TUNING_SECONDS)
    step("build_features", steps.build, pipeline, plan)
    step("validate_features", steps.validate, pipeline, plan)
    step("prove_features", steps.prove, pipeline, plan)
    if pipeline.features.selects:
        step("select_features", steps.select, pipeline, plan)
    step("tune_candidates", steps.tune, pipeline, plan)
    step("train_challenger", steps.train, pipeline, plan)
    step("evaluate_challenger", steps.evaluate, pipeline, plan)
    step("apply_gate", steps.judge, pipeline, plan)
    step("register_model", steps.register, pipeline, plan)
    step("summarize_run", steps.summarize, pipeline, plan)
    return peaks


def _in_fork(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Call a function in a forked child; return its result and the child's peak resident memory in GB."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)

    def child() -> None:
        result = work(*arguments)
        there.send((result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9))

    process = fork.Process(target=child)
    process.start()
    there.close()
    found = here.recv()  # EOFError, where the child has failed and said why
    process.join()
    return found


if __name__ == "__main__":
    use_home(Path(sys.argv[1]))
    for name in HEAVY:
        importlib.import_module(name)
    sys.stdout.write(json.dumps(_every_step()) + "\n")
