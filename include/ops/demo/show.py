"""The demo: a whole nightly run on real flights in Airflow on this machine."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.config.loader import load_pipeline
from include.core import settings
from include.core.errors import EmbeddedStackError
from include.ingestion.published_days import missing_range
from include.ops.demo.schedules import HOW_TO_UNPAUSE, schedule_lines, unpause_scheduled
from include.ops.demo.sources import connections, prepare_sources
from include.ops.embedded.airflow_client import AirflowClient
from include.ops.embedded.environment import ADMIN, stack_secrets
from include.ops.embedded.stack import running_stack
from include.ops.embedded.watch import follow_run

if TYPE_CHECKING:
    from rich.console import Console

    from include.ops.embedded.stack import Stack

PIPELINE = "flight_delays"

#: Seconds until Airflow must have parsed the DAG files.
PARSE_SECONDS = 120


def run_demo(*, exit_after: bool) -> int:
    """Start the stack, ingest missing days, retrain, and print the verdict.

    After a promotion the DAGs of the pipeline run by their schedules until Ctrl-C.

    Returns
    -------
    int
        With `exit_after`, 0 only if a version was promoted; without, 0 after Ctrl-C.
    """
    console = _console()
    began = time.monotonic()
    today = datetime.now(UTC).date()
    folder = settings.home() / "sources"
    with ThreadPoolExecutor(1) as background, _until_interrupted(), console.status("starting") as status:
        preparing = background.submit(prepare_sources, folder, today)
        status.update("starting Airflow and MLflow, preparing the demo's sources")
        with running_stack(settings.home(), connections(folder), console.print) as stack:
            sources = preparing.result()
            client = _client(stack, [f"{PIPELINE}.ingest", f"{PIPELINE}.retrain"])
            status.stop()
            console.print(
                f"Airflow and MLflow are up, {time.monotonic() - began:.0f} s; flights from {sources.first_day} on"
            )
            _print_addresses(stack, console)
            promoted = _run_night(stack, client, today, console)
            console.print(f"\n{time.monotonic() - began:.0f} s in all")
            if exit_after:
                return 0 if promoted else 1
            if promoted:
                unpause_scheduled(client, PIPELINE)  # scoring and monitoring need a champion
            for line in schedule_lines(client, PIPELINE):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
            _print_addresses(stack, console)
            _stay(stack, console)
    return 1 if exit_after else 0  # interrupted before a promotion was seen


def run_up() -> int:
    """Start the stack and stay until Ctrl-C."""
    console = _console()
    with _until_interrupted(), console.status("starting Airflow and MLflow") as status:
        folder = settings.home() / "sources"
        with running_stack(settings.home(), connections(folder), console.print) as stack:
            status.stop()
            _print_addresses(stack, console)
            hint = f"A new DAG with a schedule is paused; unpause it {HOW_TO_UNPAUSE}"
            console.print(hint, markup=False, highlight=False, soft_wrap=True)
            _stay(stack, console)
    return 0


def _run_night(stack: Stack, client: AirflowClient, today: date, console: Console) -> bool:
    """Ingest missing days up to yesterday, retrain, print the verdict; return whether it promoted."""
    pipeline = load_pipeline(PIPELINE)
    ingest, retrain = f"{PIPELINE}.ingest", f"{PIPELINE}.retrain"
    client.pause(retrain, True)  # otherwise the update of the raw tables would start a second run
    missing = missing_range(pipeline, today - timedelta(days=1))
    if missing:
        start, end = missing
        console.print(f"\n[bold]{ingest}[/] from {start} to {end}", highlight=False)
        run = client.trigger(ingest, {"start": start.isoformat(), "end": end.isoformat()})
        client.pause(ingest, False)
        if not follow_run(stack, client, ingest, run, console):
            return False
        _await_rest(stack, client, ingest)
    console.print(f"\n[bold]{retrain}[/]", highlight=False)
    client.pause(retrain, False)
    run = client.trigger(retrain, {"as_of": (today - timedelta(days=1)).isoformat()})
    if not follow_run(stack, client, retrain, run, console):
        return False
    summary = client.result(retrain, run, "summarize_run")
    console.print()
    console.print(summary["table"], markup=False, highlight=False, soft_wrap=True)
    return summary["verdict"] == "promote"


def _await_rest(stack: Stack, client: AirflowClient, dag_id: str) -> None:
    """Wait for the scheduled run that Airflow starts when a DAG is unpaused."""
    while any(run.state in ("queued", "running") for run in client.runs(dag_id)):
        stack.check()
        time.sleep(0.3)


def _client(stack: Stack, dag_ids: list[str]) -> AirflowClient:
    """Return a client when Airflow has parsed the DAGs."""
    client = AirflowClient.embedded(stack.paths)
    deadline = time.monotonic() + PARSE_SECONDS
    while not all(client.has_dag(dag_id) for dag_id in dag_ids):
        stack.check()
        errors = client.import_errors()
        if errors or time.monotonic() > deadline:
            raise EmbeddedStackError(
                "Airflow cannot import dags/:\n" + ("\n".join(errors) or f"no DAG within {PARSE_SECONDS} s")
            )
        time.sleep(0.3)
    return client


def _print_addresses(stack: Stack, console: Console) -> None:
    password = stack_secrets(stack.paths.home)["admin_password"]
    console.print(
        f"  Airflow  {stack.paths.airflow_url}   login {ADMIN}, password {password}\n"
        f"  MLflow   {stack.paths.mlflow_url}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _stay(stack: Stack, console: Console) -> None:
    console.print("\nCtrl-C stops Airflow and MLflow.")
    while True:
        stack.check()
        time.sleep(1)


class _until_interrupted:  # noqa: N801  reads as what it does
    """Leave the block without an error on Ctrl-C, SIGTERM or a closed terminal; its exit stops the stack."""

    def __enter__(self) -> None:
        for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sent, _interrupt)

    def __exit__(self, kind: Any, *_: Any) -> bool:
        return kind is KeyboardInterrupt


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _console() -> Console:
    from rich.console import Console

    return Console()
