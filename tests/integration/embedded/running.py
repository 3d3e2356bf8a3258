"""The embedded stack as its tests speak with it: Airflow's API, and waiting for what comes of a request."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.ops.embedded.airflow_client import AirflowClient

PATIENCE_SECONDS = 240
ENDED = ("success", "failed")


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
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(2)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        airflow, mlflow = (str(probe.getsockname()[1]) for probe in probes)
    return {"NIGHTSHIFT_AIRFLOW_PORT": airflow, "NIGHTSHIFT_MLFLOW_PORT": mlflow}


def last_day() -> date:
    """Return the last day of the daily schedule, which runs at a quarter past midnight."""
    return (datetime.now(UTC) - timedelta(minutes=15)).date() - timedelta(days=1)


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
            return session.request(method, f"{self.url}{path}", timeout=60, allow_redirects=False, **request)

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
