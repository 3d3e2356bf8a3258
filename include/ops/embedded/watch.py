"""Shows a run in the terminal: its tasks, their durations, and their errors."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from rich.console import Console

    from include.ops.embedded.airflow_answers import TaskInstance
    from include.ops.embedded.airflow_client import AirflowClient
    from include.ops.embedded.stack import Stack

POLL_SECONDS = 0.5
ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")
MARKS = {"success": "[green]✓[/]", "failed": "[red]✗[/]"}
MAX_ERROR_LINES = 12


def follow_run(stack: Stack, client: AirflowClient, dag_id: str, run_id: str, console: Console) -> bool:
    """Show the running and the ended tasks of a run; return whether the run succeeded.

    Raises
    ------
    EmbeddedStackError
        If a part of the stack ends during the run.
    """
    shown: set[tuple[str | int, ...]] = set()
    with console.status(f"{dag_id}: waiting for its first task") as status:
        while True:
            stack.check()
            state = client.state(dag_id, run_id)
            tasks = client.tasks(dag_id, run_id)
            for task in sorted(tasks, key=lambda task: task.end_date or datetime.min.replace(tzinfo=UTC)):
                key = (task.task_id, task.map_index)
                if task.state in ENDED and key not in shown:
                    shown.add(key)
                    console.print(_result_line(task), highlight=False)
            for task in tasks:
                question = (task.task_id, task.map_index, "asks")
                if task.state == "awaiting_input" and question not in shown:
                    shown.add(question)
                    page = _page(stack, dag_id, run_id, task)
                    line = f"  ? {task.name} waits for an answer: {page}/required_actions"
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
            running = [task for task in tasks if task.state == "running"]
            retrying = [task for task in tasks if task.state == "up_for_retry"]
            status.update(_status_line(running, retrying) or f"{dag_id}: {state}")
            if state in ("success", "failed"):
                break
            time.sleep(POLL_SECONDS)
    for task in tasks:
        if task.state == "failed":
            _show_error(client, dag_id, run_id, task, console)
            line = f"    the whole log: {_page(stack, dag_id, run_id, task)}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return state == "success"


def _page(stack: Stack, dag_id: str, run_id: str, task: TaskInstance) -> str:
    """Return the address of a task in Airflow's UI."""
    page = f"{stack.paths.airflow_url}/dags/{dag_id}/runs/{quote(run_id)}/tasks/{task.task_id}"
    return page if task.map_index < 0 else f"{page}/mapped/{task.map_index}"


def _result_line(task: TaskInstance) -> str:
    took = f"{task.duration:7.1f} s" if task.duration is not None else " " * 9
    mark = MARKS.get(task.state or "", "·")
    return f"  {mark} {task.name:<44}{took}  {'' if task.state == 'success' else task.state}"


def _status_line(running: list[TaskInstance], retrying: list[TaskInstance]) -> str:
    now = datetime.now(UTC)
    parts = []
    for task in running:
        parts.append(f"{task.name} {(now - (task.start_date or now)).total_seconds():.0f} s")
    parts += [f"{task.name} failed and will be retried" for task in retrying]
    return ", ".join(parts)


def _show_error(client: AirflowClient, dag_id: str, run_id: str, task: TaskInstance, console: Console) -> None:
    lines = client.log(dag_id, run_id, task)
    errors = [line for line in lines if "Error" in line or "Exception" in line or "Task failed" in line] or lines
    console.print(f"\n[red]{task.name} failed[/]; the end of its log:", highlight=False)
    for line in errors[-MAX_ERROR_LINES:]:
        console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
