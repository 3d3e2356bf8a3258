"""The embedded stack: Airflow and MLflow on this machine, started and stopped together."""

from __future__ import annotations

import fcntl
import json
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.alembic_revisions import read_revisions_apart
from include.core.database_file import DatabaseFile
from include.core.errors import EmbeddedStackError
from include.ops.embedded.environment import StackPaths, stack_environment
from include.ops.embedded.ports import choose_port
from include.ops.embedded.processes import STOP_SECONDS, send_signal, stop_marked
from include.registry.store import migrate_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds until a part must answer; a first start on a busy machine is slow.
START_SECONDS = 180


@dataclass(frozen=True)
class Part:
    """A running part of the stack."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise if the part has ended."""
        if self.process.poll() is not None:
            tail = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
            raise EmbeddedStackError(
                f"{self.name} ended with status {self.process.returncode}; its log is {self.log} and ends with:\n"
                + "\n".join(f"    {line}" for line in tail)
            )


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    paths: StackPaths
    environment: dict[str, str]
    parts: list[Part]

    def check(self) -> None:
        """Raise if any part has ended.

        Raises
        ------
        EmbeddedStackError
            With the last lines of that part's log.
        """
        for part in self.parts:
            part.check()


@contextmanager
def running_stack(home: Path, connections: dict[str, str], tell: Callable[[str], None]) -> Iterator[Stack]:
    """Start the stack, yield it when it answers, and stop all its processes at the end.

    Parameters
    ----------
    home
        Folder for the stack's files; only one stack at a time can use it.
    connections
        Airflow Connections, as environment variables.
    tell
        Called with lines for the person at the terminal.

    Raises
    ------
    EmbeddedStackError
        If another stack uses the folder, no port is free, or a part does not start.
    OtherRelease
        If a newer MLflow or Airflow wrote a database of the folder.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _only_one(home):
        if stop_marked(home):
            tell("stopped processes that an earlier, killed stack had left")
        airflow_port = choose_port("NIGHTSHIFT_AIRFLOW_PORT", 8080)
        mlflow_port = choose_port("NIGHTSHIFT_MLFLOW_PORT", 5000, taken=(airflow_port,))
        for port, usual, name in ((airflow_port, 8080, "Airflow"), (mlflow_port, 5000, "MLflow")):
            if port != usual:
                tell(f"{name} uses port {port}")
        paths = StackPaths(home, airflow_port, mlflow_port)
        environment = stack_environment(paths, connections)
        for folder in (paths.airflow_home, paths.mlflow_home, paths.logs):
            folder.mkdir(parents=True, exist_ok=True)
        paths.airflow_home.chmod(0o700)  # Airflow writes keys into its settings file there
        stack = Stack(paths, environment, [])
        try:
            with _readable(paths.mlflow_home / "mlflow.db") as database:
                migrate_store(database, tell)
            stack.parts.append(_start(stack, "mlflow", _mlflow_command(paths)))
            migrate_airflow(stack, tell)
            stack.parts.append(_start(stack, "api-server", _airflow("api-server")))
            stack.parts.append(_start(stack, "dag-processor", _airflow("dag-processor")))
            # log servers would listen on every address; config/embedded_logging.py reads the files in their place
            stack.parts.append(_start(stack, "scheduler", _airflow("scheduler", "--skip-serve-logs")))
            stack.parts.append(_start(stack, "triggerer", _airflow("triggerer", "--skip-serve-logs")))
            # the API also answers without a scheduler, but then no task would ever start
            _await(stack, f"{paths.airflow_url}/api/v2/monitor/health", lambda answer: _healthy(answer, "scheduler"))
            # Airflow builds its API for tasks at the first call; do not make the first task wait for it
            _await(stack, f"{paths.airflow_url}/execution/health")
            _await(stack, f"{paths.mlflow_url}/health")
            yield stack
        finally:
            _stop(stack)


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    with (home / "stack.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EmbeddedStackError(
                f"another stack runs in {home}; stop it with Ctrl-C in its terminal, or set NIGHTSHIFT_HOME to "
                "another folder"
            ) from error
        yield


def _airflow(*command: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *command]


def _mlflow_command(paths: StackPaths) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(paths.mlflow_port)),
        *("--backend-store-uri", f"sqlite:///{paths.mlflow_home / 'mlflow.db'}"),
        # tasks write artifacts to the folder directly, without an upload through the server
        *("--no-serve-artifacts", "--default-artifact-root", (paths.mlflow_home / "artifacts").as_uri()),
        *("--workers", "1"),
    ]


def _start(stack: Stack, name: str, command: list[str], settings: dict[str, str] | None = None) -> Part:
    log = stack.paths.logs / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=stack.environment | (settings or {}),
            cwd=stack.paths.home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must not reach the parts: `_stop` stops them in order
        )
    return Part(name, process, log)


def migrate_airflow(stack: Stack, tell: Callable[[str], None]) -> None:
    """Create Airflow's database or migrate it to this version; a note spares later starts the check.

    Raises
    ------
    OtherRelease
        If a newer Airflow wrote the database; it is unchanged.
    EmbeddedStackError
        If Airflow's own migration fails; an older database is unchanged.
    """
    spec = find_spec("airflow")  # found, not imported
    assert spec is not None, "Airflow is installed"
    assert spec.submodule_search_locations is not None, "Airflow is a package"
    (package,) = spec.submodule_search_locations
    migrations = Path(package) / "migrations"
    path = stack.paths.airflow_home / "airflow.db"
    file = DatabaseFile(
        path, "Airflow", version("apache-airflow-core"), lambda: read_revisions_apart(migrations, stack.environment)
    )
    with _readable(path):
        if file.is_settled():
            return
        if not path.exists():
            file.create(lambda made: _run_migration(stack, made))
        elif file.state() == "older":
            file.migrate(lambda copied: _run_migration(stack, copied), tell)
        else:  # migrates a provider's tables, which have their own revisions
            _run_migration(stack, path)
        file.settle()


@contextmanager
def _readable(database: Path) -> Iterator[Path]:
    """Name the database and the reason when it cannot be read or written, or compared with the installed program."""
    try:
        yield database
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"status {error.returncode}"])[-1]
        raise EmbeddedStackError(
            f"{database} cannot be compared with the installed program, whose migration scripts do not run ({reason}); "
            "install the locked requirements again; the database was not changed"
        ) from error
    except sqlite3.DatabaseError as error:
        raise EmbeddedStackError(
            f"{database} cannot be used ({error}); stop other programs that use it, make room on its disk, or restore "
            "it from a copy"
        ) from error


def _run_migration(stack: Stack, path: Path) -> None:
    part = _start(
        stack, "migration", _airflow("db", "migrate"), {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{path}"}
    )
    try:
        part.process.wait(START_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise EmbeddedStackError(
            f"airflow db migrate did not end within {START_SECONDS} s; its log is {part.log}"
        ) from error
    if part.process.returncode:
        part.check()


def _healthy(answer: bytes, part: str) -> bool:
    """Return whether a part is healthy in Airflow's health report."""
    return json.loads(answer).get(part, {}).get("status") == "healthy"


def _await(stack: Stack, url: str, ready: Callable[[bytes], bool] = lambda _: True) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        stack.check()
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  our own http address
                if answer.status == 200 and ready(answer.read()):
                    return
        except (OSError, urllib.error.URLError):
            pass
        if time.monotonic() > deadline:
            raise EmbeddedStackError(
                f"{url} did not answer within {START_SECONDS} s; the logs are in {stack.paths.logs}"
            )
        time.sleep(0.1)


def _stop(stack: Stack) -> None:
    # the scheduler first, so that no task starts while the others end
    for part in sorted(stack.parts, key=lambda part: part.name != "scheduler"):
        send_signal(-part.process.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for part in stack.parts:
        try:
            part.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            send_signal(-part.process.pid, signal.SIGKILL)
            part.process.wait()
    stop_marked(stack.paths.home)
