"""The client of Airflow's REST API: what it makes of the answers."""

from __future__ import annotations

from typing import Any

import pytest

from include.ops.embedded.airflow_client import AirflowClient


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> AirflowClient:
    """Return a client whose Airflow answers every request with the log of a failed task."""
    content = [
        {"timestamp": "2024-01-01T00:00:00Z"},
        {
            "event": "The task fails because of the error below",
            "error_detail": [
                {"exc_type": "DatabaseError", "exc_value": "no connection", "frames": [{"name": "connect"}]},
                {"exc_type": "OSError", "exc_value": "refused", "frames": []},
            ],
        },
        {
            "event": "Task failed with exception",
            "error_detail": [{"exc_type": "ServiceAway", "exc_value": "a sentence"}],
        },
    ]

    def call(*_: Any, **__: Any) -> dict[str, Any]:
        return {"content": content}

    monkeypatch.setattr(AirflowClient, "call", call)
    return AirflowClient.__new__(AirflowClient)


def test_the_log_of_a_failed_task_ends_with_its_sentence(client: AirflowClient) -> None:
    """The cause stands above the sentence, the first cause first, and no frame of a traceback is a line."""
    lines = client.log("shop.score", "run", {"task_id": "score_rows", "try_number": 1, "map_index": -1})

    assert lines == [
        "The task fails because of the error below",
        "OSError: refused",
        "DatabaseError: no connection",
        "Task failed with exception",
        "ServiceAway: a sentence",
    ]
