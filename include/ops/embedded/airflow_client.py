"""A client of Airflow's REST API, for the demo and the benchmarks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include.core.errors import EmbeddedStackError
from include.ops.embedded.airflow_answers import Dag, DagRun, LogRecord, TaskInstance
from include.ops.embedded.environment import ADMIN, stack_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.ops.embedded.environment import StackPaths


class AirflowClient:
    """A session of one user with an Airflow."""

    def __init__(self, url: str, user: str, password: str) -> None:
        import requests

        self._base = url
        self._session = requests.Session()
        self._session.trust_env = False  # this machine is reached without a proxy
        answer = self._session.post(
            f"{self._base}/auth/token",
            json={"username": user, "password": password},
            timeout=30,
        )
        if answer.status_code != 201:
            raise EmbeddedStackError(
                f"Airflow at {self._base} refuses the login of {user} ({answer.status_code}); another program may "
                "have taken its port"
            )
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @classmethod
    def embedded(cls, paths: StackPaths) -> AirflowClient:
        """Return a session with the Airflow of the embedded stack."""
        return cls(paths.airflow_url, ADMIN, stack_secrets(paths.home)["admin_password"])

    def has_dag(self, dag_id: str) -> bool:
        """Return whether Airflow has parsed a DAG."""
        return self.get(f"dags/{dag_id}", missing=None) is not None

    def dags(self, tag: str) -> list[Dag]:
        """Return the DAGs with a tag."""
        return [Dag.model_validate(each) for each in self.get(f"dags?tags={quote(tag)}&limit=100")["dags"]]

    def import_errors(self) -> list[str]:
        """Return the import errors of DAG files."""
        return [each["stack_trace"].strip() for each in self.get("importErrors")["import_errors"]]

    def pause(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self.call("PATCH", f"dags/{dag_id}?update_mask=is_paused", {"is_paused": paused})

    def trigger(self, dag_id: str, conf: Mapping[str, object]) -> str:
        """Start a run now and return its id."""
        now = datetime.now(UTC).isoformat()
        return self.call("POST", f"dags/{dag_id}/dagRuns", {"conf": conf, "logical_date": now})["dag_run_id"]

    def state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        return self.run(dag_id, run_id).state

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """Return a run."""
        return DagRun.model_validate(self.get(f"dags/{dag_id}/dagRuns/{quote(run_id)}"))

    def runs(self, dag_id: str) -> list[DagRun]:
        """Return the runs of a DAG, newest first."""
        runs = self.get(f"dags/{dag_id}/dagRuns?order_by=-run_after&limit=50")["dag_runs"]
        return [DagRun.model_validate(each) for each in runs]

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the task instances of a run."""
        tasks = self.get(f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances?limit=200")["task_instances"]
        return [TaskInstance.model_validate(each) for each in tasks]

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what a task returned."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.get(f"{path}?deserialize=false&stringify=false")["value"]

    def log(self, dag_id: str, run_id: str, task: TaskInstance) -> list[str]:
        """Return the log lines of a task's last try; an error is a line without its traceback."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task.task_id}/logs/{task.try_number or 1}"
        lines = []
        for each in self.get(f"{path}?map_index={task.map_index}")["content"]:
            record = LogRecord.model_validate(each)
            if record.event is not None:
                lines.append(record.event)
                lines += [f"{error.exc_type}: {error.exc_value}" for error in reversed(record.error_detail or [])]
        return lines

    def get(self, path: str, **missing: Any) -> Any:
        """Return the answer of a path of the API; if `missing` is given, return it in place of a 404."""
        return self.call("GET", path, **missing)

    def call(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, api: str = "api/v2", **missing: Any
    ) -> Any:
        """Send a request to the API, or to another API of the server, and return the answer.

        Raises
        ------
        EmbeddedStackError
            If Airflow answers with an error.
        """
        answer = self._session.request(method, f"{self._base}/{api}/{path}", json=body, timeout=60)
        if answer.status_code == 404 and "missing" in missing:
            return missing["missing"]
        if not answer.ok:
            raise EmbeddedStackError(f"Airflow answered {method} {path} with {answer.status_code}: {answer.text[:300]}")
        return answer.json()
