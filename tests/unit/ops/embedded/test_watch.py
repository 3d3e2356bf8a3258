"""What the terminal shows of a run: its tasks, and for a failed one its error and where its log is."""

from __future__ import annotations

import io
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from include.ops.embedded.airflow_answers import TaskInstance
from include.ops.embedded.airflow_client import AirflowClient
from include.ops.embedded.environment import StackPaths
from include.ops.embedded.stack import Stack
from include.ops.embedded.watch import follow_run

RUN = "manual__2024-01-01T00:00:00+00:00"


def task(task_id: str, state: str, map_index: int = -1) -> TaskInstance:
    """Return a task that has ended."""
    times = {"start_date": "2024-01-01T00:00:00Z", "end_date": "2024-01-01T00:00:02Z", "duration": 2.0}
    rest = {"rendered_map_index": None, "try_number": 1, "hostname": "here", "pool": "default_pool"}
    return TaskInstance.model_validate({"task_id": task_id, "state": state, "map_index": map_index} | times | rest)


@pytest.mark.parametrize(("map_index", "place"), [(-1, ""), (3, "/mapped/3")])
def test_a_failed_task_is_shown_with_its_error_and_the_address_of_its_log(map_index: int, place: str) -> None:
    """The terminal shows the end of the log, and the page has all of it."""
    client = Mock(spec=AirflowClient)
    client.state.return_value = "failed"
    client.tasks.return_value = [task("plan_run", "success"), task("tune", "failed", map_index)]
    client.log.return_value = ["a line", "TrainingImpossible: no rows; ingest some"]
    console = Console(file=io.StringIO(), width=60)

    succeeded = follow_run(Stack(StackPaths(Path("/home"), 8080, 5000), {}, []), client, "shop.retrain", RUN, console)

    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert not succeeded
    assert "✓ plan_run" in shown
    assert "TrainingImpossible: no rows; ingest some" in shown
    page = f"http://127.0.0.1:8080/dags/shop.retrain/runs/manual__2024-01-01T00%3A00%3A00%2B00%3A00/tasks/tune{place}"
    assert f"the whole log: {page}\n" in shown
