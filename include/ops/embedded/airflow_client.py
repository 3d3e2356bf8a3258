"""A client of Airflow's REST API, for the demo and the benchmarks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include.core.errors import EmbeddedStackError
from include.ops.embedded.environment import ADMIN, stack_secrets

if TYPE_CHECKING:
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

    def import_errors(self) -> list[str]:
        """Return the import errors of DAG files."""
        return [each["stack_trace"].strip() for each in self.get("importErrors")["import_errors"]]

    def pause(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self.call("PATCH", f"dags/{dag_id}?update_mask=is_paused", {"is_paused": paused})

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run now and return its id."""
        now = datetime.now(UTC).isoformat()
        return self.call("POST", f"dags/{dag_id}/dagRuns", {"conf": conf, "logical_date": now})["dag_run_id"]

    def state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        return self.run(dag_id, run_id)["state"]

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run."""
        return self.get(f"dags/{dag_id}/dagRuns/{quote(run_id)}")

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG, newest first."""
        return self.get(f"dags/{dag_id}/dagRuns?order_by=-run_after&limit=50")["dag_runs"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        return self.get(f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances?limit=200")["task_instances"]

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what a task returned."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.get(f"{path}?deserialize=false&stringify=false")["value"]

    def log(self, dag_id: str, run_id: str, task: dict[str, Any]) -> list[str]:
        """Return the log lines of a task's last try; an error is a line without its traceback."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task['task_id']}/logs/{task['try_number'] or 1}"
        content = self.get(f"{path}?map_index={task['map_index']}")["content"]
        lines = []
        for record in content:
            if "event" in record:
                lines.append(record["event"])
                # Airflow lists an error before its causes
                lines += [
                    f"{each['exc_type']}: {each['exc_value']}" for each in (record.get("error_detail") or [])[::-1]
                ]
        return lines

    def get(self, path: str, **missing: Any) -> Any:
        """Return the answer of a path of the API; if `missing` is given, return it in place of a 404."""
        return self.call("GET", path, **missing)

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, api: str = "api/v2", **missing: Any
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
