"""What a task costs on Celery and on the LocalExecutor, in the same stack: `python -m tests.stack.overhead`.

The run is a night on which nothing has changed: the retraining as of the same day again, which finds its features and
ends in a tie. Its tasks follow one another, so what the run takes beyond the sum of its tasks is Airflow's.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.stack.stack import FIRST, LAST_INGESTED, PIPELINE, SERVICES, Stack

ROUNDS = 4
AS_OF = "2013-03-25"


def night(stack: Stack) -> tuple[float, float]:
    """Run the night and return its seconds, and those a task that no task took."""
    run_id = stack.start_run("retrain", as_of=AS_OF, tuning_seconds=5)
    assert stack.wait_run("retrain", run_id) == "success"
    run = stack.airflow.run(f"{PIPELINE}.retrain", run_id)
    assert run.start_date
    assert run.end_date
    whole = (run.end_date - run.start_date).total_seconds()
    tasks = stack.tasks("retrain", run_id).values()
    return whole, (whole - sum(task.duration or 0 for task in tasks)) / len(tasks)


def measure(stack: Stack, executor: str) -> None:
    """Run some nights and print their medians; the first, which warms up, is left out."""
    nights = [night(stack) for _ in range(ROUNDS + 1)][1:]
    whole, overhead = (statistics.median(each) for each in zip(*nights, strict=True))
    shown = ", ".join(f"{each:.2f}" for _, each in nights)
    sys.stdout.write(f"{executor}: a night without news {whole:.1f} s, Airflow {overhead:.2f} s a task ({shown})\n")


def main() -> None:
    """Start a stack, ingest, and measure with each executor."""
    with TemporaryDirectory(prefix="stack-") as folder, Stack(Path(folder)).running() as stack:
        stack.wait_well(*SERVICES)
        run_id = stack.start_run("ingest", start=str(FIRST), end=str(LAST_INGESTED))
        stack.forget_scheduled("ingest")
        assert stack.wait_run("ingest", run_id) == "success"
        measure(stack, "CeleryExecutor")
        stack.compose("stop", "worker-1", "worker-2")
        stack.use("docker-compose.local.yaml")
        stack.compose("up", "--detach", "--no-deps", "scheduler", "api-server")
        stack.wait_well("api-server", "scheduler")
        measure(stack, "LocalExecutor")


if __name__ == "__main__":
    main()
