"""The client of Airflow's REST API: what it makes of the answers."""

from __future__ import annotations

from typing import Any

import pytest

from include.ops.embedded.airflow_answers import TaskInstance
from include.ops.embedded.airflow_client import AirflowClient

#: A task as Airflow 3.3 answers it, with some of the fields that are not used.
TASK = {
    "id": "01a23273-551c-768e-a6d4-63292f0a219a",
    "task_id": "score_rows",
    "dag_id": "shop.score",
    "map_index": -1,
    "rendered_map_index": None,
    "start_date": "2026-12-01T16:32:32.306695Z",
    "end_date": None,
    "duration": None,
    "state": "running",
    "try_number": 1,
    "hostname": "worker-1",
    "pool": "default_pool",
    "executor_config": "{}",
}


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
    lines = client.log("shop.score", "run", TaskInstance.model_validate(TASK))

    assert lines == [
        "The task fails because of the error below",
        "OSError: refused",
        "DatabaseError: no connection",
        "Task failed with exception",
        "ServiceAway: a sentence",
    ]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ({}, "score_rows"),
        ({"map_index": 1}, "score_rows 1"),
        ({"map_index": 1, "rendered_map_index": "2024-01-01"}, "score_rows 2024-01-01"),
    ],
)
def test_a_mapped_task_is_named_with_what_tells_it_from_the_others(answer: dict[str, Any], name: str) -> None:
    """The terminal shows the day or the source of a mapped task, where Airflow has it."""
    assert TaskInstance.model_validate(TASK | answer).name == name
