"""`python -m include.ops.production.health`: exit with 0 if the service in this container is healthy.

The checks ask Airflow's API and Celery's broker. Airflow's own checks would start its command line every few seconds in
every container, which takes seconds of a core.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.request

#: Seconds to wait for an answer.
TIMEOUT = 8


def main(service: str) -> int:
    """Return 0 if the service is healthy; otherwise print the reason."""
    try:
        problem = _CHECKS[service]()
    except KeyError:
        problem = f"NIGHTSHIFT_SERVICE is '{service}', which is not one of {', '.join(_CHECKS)}"
    except OSError as error:
        problem = f"{service} does not answer: {error}"
    if problem:
        print(problem, file=sys.stderr)
    return bool(problem)


def _answer(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310  addresses of this stack
        return answer.read()


def _api_server() -> str | None:
    _answer("http://127.0.0.1:8080/api/v2/version")
    return None


def _beats(part: str) -> str | None:
    """Ask the API for the last heartbeat of a part, which the part writes into the database."""
    found = json.loads(_answer("http://api-server:8080/api/v2/monitor/health"))[part]
    if found["status"] != "healthy":
        return f"{part} is {found['status']}"
    return None


def _worker() -> str | None:
    from celery import Celery

    name = f"celery@{socket.gethostname()}"
    with Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"]) as app:
        answers = app.control.ping([name], timeout=TIMEOUT / 2)
    return None if answers else f"{name} does not answer"


def _mlflow() -> str | None:
    _answer("http://127.0.0.1:5000/health")
    return None


_CHECKS = {
    "api-server": _api_server,
    "dag-processor": lambda: _beats("dag_processor"),
    "mlflow": _mlflow,
    "scheduler": lambda: _beats("scheduler"),
    "triggerer": lambda: _beats("triggerer"),
    "worker": _worker,
}


if __name__ == "__main__":
    sys.exit(main(os.environ.get("NIGHTSHIFT_SERVICE", "")))
