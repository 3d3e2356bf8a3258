"""The production stack under test: its own project, ports, secrets and volumes, and what injures it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from include.core import settings
from include.core.errors import EmbeddedStackError
from include.ops.demo.sources import DATABASE, LANDING, prepare_sources
from include.ops.embedded.airflow_client import AirflowClient
from include.ops.production.env_file import FILES, complete
from include.ops.production.wait import compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from include.ops.embedded.airflow_answers import TaskInstance

PROJECT = "nightshift-test"
AIRFLOW_PORT, MLFLOW_PORT = 18080, 15000
PIPELINE = "flight_delays"
#: The slice of flights; the schedule of a day is published on the day before, so there is none for the last.
FIRST, LAST = date(2013, 1, 1), date(2013, 4, 10)
LAST_INGESTED = LAST - timedelta(days=1)
#: What has to be well for a night.
SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "worker-2", "mlflow")
#: The image's user.
UID = 50000
#: Seconds that a run may take on a busy machine, with the patience of docker-compose.test.yaml and a retry or two.
RUN_SECONDS = 2400
ENDED = ("success", "failed")


class Stack:
    """The containers of one project, which are started and removed with their volumes.

    It needs root: to kill what the engine runs, and to mount a folder of a size that can be filled.

    Parameters
    ----------
    folder
        Empty; it becomes the folder of a clone, as far as Compose looks at it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, root = folder, settings.root()
        shutil.copy(root / "docker-compose.yaml", folder)
        self.files = ["docker-compose.yaml"]
        self.use("docker-compose.test.yaml")
        shutil.copytree(root / "config", folder / "config")
        prepare_sources(folder / "sources", date(2014, 1, 1), days=(FIRST, LAST))
        for each in (folder, folder / "sources", *(folder / "sources").rglob("*")):
            each.chmod(0o755 if each.is_dir() else 0o644)  # the container's user is another
        complete(folder / ".env")
        self.env = settings.parse_env((folder / ".env").read_text())
        connections = {
            "AIRFLOW_CONN_AIRLINE_OPS": {"conn_type": "sqlite", "host": f"/sources/{DATABASE}"},
            "AIRFLOW_CONN_LANDING": {"conn_type": "fs", "extra": {"path": f"/sources/{LANDING}"}},
        }
        lines = [f"{name}={json.dumps(value)}" for name, value in connections.items()]
        (folder / "connections.env").write_text("\n".join([*lines, f"CANARY_OF_A_SOURCE={canary()}"]) + "\n")
        (folder / "store.env").write_text(FILES["store.env"])

    def use(self, name: str) -> None:
        """Let a file of this folder change the stack, once it is started again."""
        shutil.copy(settings.root() / "tests" / "stack" / name, self.folder)
        self.files.append(name)

    @property
    def home(self) -> Path:
        """The folder behind the volume of that name."""
        return self.folder / "home"

    @property
    def backups(self) -> Path:
        """The folder of backups."""
        return self.folder / "backups"

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run Compose on the project and return what it printed."""
        files = [each for name in self.files for each in ("-f", name)]
        more = {
            "STACK_TEST_SOURCES": str(self.folder / "sources"),
            "STACK_TEST_HOME": str(self.home),
            "NIGHTSHIFT_BACKUPS": str(self.backups),
            "NIGHTSHIFT_AIRFLOW_PORT": str(AIRFLOW_PORT),
            "NIGHTSHIFT_MLFLOW_PORT": str(MLFLOW_PORT),
            "NIGHTSHIFT_THREADS": "1",
        }
        done = subprocess.run(
            [*compose(), "-p", PROJECT, *files, *arguments],
            cwd=self.folder,
            env=os.environ | more,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    def container(self, service: str) -> str:
        """Return the id of a service's container."""
        return self.compose("ps", "--all", "--quiet", service).split()[0]

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        return json.loads(docker("inspect", self.container(service)))[0]

    def health(self, service: str) -> str:
        """Return whether a container is healthy, starting or unhealthy; `exited` if it does not run."""
        state = self.inspect(service)["State"]
        return state["Health"]["Status"] if state["Running"] and "Health" in state else state["Status"]

    def wait_well(self, *services: str, seconds: float = 900) -> None:
        """Wait until services are healthy."""
        for service in services:
            wait_for(lambda service=service: self.health(service) == "healthy", f"{service} to be well", seconds)

    def kill(self, service: str) -> None:
        """Kill the process of a container, as a crash does: the engine starts it again."""
        os.kill(self.inspect(service)["State"]["Pid"], signal.SIGKILL)

    def run_in(self, service: str, *command: str, check: bool = True) -> str:
        """Run a command in a service's container."""
        return docker("exec", self.container(service), *command, check=check)

    def nightshift(self, *arguments: str) -> str:
        """Run Nightshift's own command line where the tasks run."""
        return self.run_in("worker-1", "python", "-m", "include", *arguments)

    @property
    def airflow_url(self) -> str:
        """Return the address of Airflow's pages."""
        return f"http://127.0.0.1:{AIRFLOW_PORT}"

    @property
    def airflow(self) -> AirflowClient:
        """Return a session with Airflow as admin."""
        return self.airflow_as("admin", self.env["NIGHTSHIFT_ADMIN_PASSWORD"])

    def airflow_as(self, user: str, password: str) -> AirflowClient:
        """Return a session with Airflow as one of its users."""
        return AirflowClient(self.airflow_url, user, password)

    def new_user(self, role: str) -> AirflowClient:
        """Make a user with a role, named as that in small letters, and return a session of theirs."""
        name, password = role.lower(), f"a-long-password-for-{role}"
        body = {"username": name, "email": f"{name}@example.org", "first_name": role, "last_name": "Tester"}
        body |= {"password": password, "roles": [{"name": role}]}
        self.airflow.call("POST", "users", body, api="auth/fab/v1")
        return self.airflow_as(name, password)

    def mlflow_url(self, path: str) -> str:
        """Return an address of MLflow's server."""
        return f"http://127.0.0.1:{MLFLOW_PORT}/{path}"

    def mlflow(self, path: str, user: str = "admin", password: str | None = None, **query: Any) -> requests.Response:
        """Ask MLflow's REST API as one of its users."""
        secret = password or self.env["NIGHTSHIFT_ADMIN_PASSWORD"]
        return requests.get(self.mlflow_url(path), params=query, auth=(user, secret), timeout=30)

    def start_run(self, kind: str, **conf: Any) -> str:
        """Trigger a DAG of the pipeline and return the run's id."""
        client = self.airflow
        client.pause(f"{PIPELINE}.{kind}", False)
        return client.trigger(f"{PIPELINE}.{kind}", conf)

    def forget_scheduled(self, kind: str) -> None:
        """End the run that a schedule starts once its DAG is not paused any more: of its day nothing is there."""
        client, dag = self.airflow, f"{PIPELINE}.{kind}"

        def scheduled() -> list[str]:
            return [run.dag_run_id for run in client.runs(dag) if run.run_type == "scheduled"]

        (run_id,) = wait_for(scheduled, "the schedule's own run", 300)
        client.call("PATCH", f"dags/{dag}/dagRuns/{quote(run_id)}", {"state": "failed"})

    def wait_run(self, kind: str, run_id: str, seconds: float = RUN_SECONDS) -> str:
        """Wait until a run has ended, through any outage, and return its state."""

        def ended() -> str | None:
            state = self.airflow.state(f"{PIPELINE}.{kind}", run_id)
            return state if state in ENDED else None

        return wait_for(ended, f"the run {run_id} of {kind}", seconds)

    def wait_task(self, kind: str, run_id: str, task_id: str, states: tuple[str, ...] = ("running",)) -> TaskInstance:
        """Wait until a task is in one of some states, and return it."""

        def found() -> TaskInstance | None:
            tasks = self.airflow.tasks(f"{PIPELINE}.{kind}", run_id)
            return next((task for task in tasks if task.task_id == task_id and task.state in states), None)

        return wait_for(found, f"{task_id} to be {' or '.join(states)}", 900)

    def tasks(self, kind: str, run_id: str) -> dict[str, TaskInstance]:
        """Return the task instances of a run by their ids."""
        return {task.task_id: task for task in self.airflow.tasks(f"{PIPELINE}.{kind}", run_id)}

    def clear_failed(self, kind: str, run_id: str) -> None:
        """Clear the failed tasks of a run, as a person does in the UI."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
        self.airflow.call("POST", f"dags/{PIPELINE}.{kind}/clearTaskInstances", body)

    def services(self) -> list[str]:
        """Return the names of the services that have a container."""
        label = f"label=com.docker.compose.project={PROJECT}"
        return docker("ps", "--all", "--filter", label, "--format", '{{.Label "com.docker.compose.service"}}').split()

    def log(self, kind: str, run_id: str, task_id: str) -> str:
        """Return the log of a task's last try."""
        client, task = self.airflow, self.tasks(kind, run_id)[task_id]
        return "\n".join(client.log(f"{PIPELINE}.{kind}", run_id, task))

    def remove(self) -> None:
        """Remove the containers and all that their volumes hold."""
        self.compose("down", "--volumes", "--remove-orphans", check=False)
        for each in self.home.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()

    @contextmanager
    def _mounted(self) -> Iterator[None]:
        for folder in (self.home, self.backups):
            folder.mkdir()
            shutil.chown(folder, UID, UID)
        size = f"size=1g,uid={UID},gid={UID},mode=0750"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.home)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", str(self.home)], check=False)

    @contextmanager
    def running(self) -> Iterator[Stack]:
        """Start it, and remove it with its volumes afterwards."""
        with self._mounted():
            self.remove()  # what a broken-off run has left
            try:
                self.compose("up", "--detach")
                yield self
            finally:
                self.remove()


def canary() -> str:
    """Return what stands for the secret of a source; it must appear in nothing that is written."""
    return "canary-4f1b9d7c-of-a-source"


def docker(*arguments: str, check: bool = True) -> str:
    """Run docker's command and return what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, (
        f"docker {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    )
    return done.stdout if check else done.stdout + done.stderr


def wait_for(look: Callable[[], Any], what: str, seconds: float) -> Any:
    """Look every second until there is something to see, through any outage, and return it."""
    until, last = time.monotonic() + seconds, None
    while time.monotonic() < until:
        try:
            found = look()
            if found:
                return found
        except (requests.RequestException, EmbeddedStackError, AssertionError, IndexError) as error:
            last = error  # what is asked may be what was injured
        time.sleep(1)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}" + (f": {last}" if last else ""))
