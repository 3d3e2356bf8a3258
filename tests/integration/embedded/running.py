"""The embedded stack as its tests speak with it: Airflow's API, and waiting for what comes of a request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.services.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.ops.embedded.airflow_client import AirflowClient

PATIENCE_SECONDS = 600
ENDED = ("success", "failed")

#: When the daily schedule was due last: hours ago, so that no test of a stack sees it due again.
DUE = datetime.now(UTC) - timedelta(hours=6)
#: The day that had ended by then.
LAST = DUE.date() - timedelta(days=1)


def wait_for(what: str, asked: Callable[[], Any]) -> Any:
    """Return the first answer that is something; nothing in all that time fails the test."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = asked()
        if answer:
            return answer
        time.sleep(0.3)
    pytest.fail(f"{what} did not come")


def own_ports() -> dict[str, str]:
    """Return the variables that give a stack free ports of its own, so that several processes may test stacks."""
    return {"NIGHTSHIFT_AIRFLOW_PORT": str(free_port()), "NIGHTSHIFT_MLFLOW_PORT": str(free_port())}


@dataclass(frozen=True)
class Airflow:
    """A running stack: its home, its pipelines, its API as the administrator and as anybody, and its sessions' ids.

    Each part of the stack runs in a session of its own, whose id is that of the part's first process.
    """

    home: Path
    pipelines: Path
    url: str
    token: str
    client: AirflowClient
    sessions: frozenset[int]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        """Ask Airflow's REST API as the administrator."""
        return self.get(f"/api/v2/{path}", method=method, json=body, headers={"Authorization": f"Bearer {self.token}"})

    def get(self, path: str, method: str = "GET", **request: Any) -> requests.Response:
        """Ask the API server without being logged in, but for what the request brings."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, f"{self.url}{path}", timeout=180, allow_redirects=False, **request)

    def started(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run and return its id."""
        self.client.pause(dag, False)
        return self.client.trigger(dag, conf)

    def ended(self, dag: str, *runs: str) -> list[str]:
        """Return the states of runs once all have ended."""

        def states() -> list[str]:
            found = [self.client.state(dag, run) for run in runs]
            return found if set(found) <= set(ENDED) else []

        return wait_for(f"the end of {dag} {runs}", states)
