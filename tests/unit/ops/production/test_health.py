"""A container says whether its service is well, without starting Airflow's command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from include.ops.production import health

if TYPE_CHECKING:
    from collections.abc import Callable

HEALTH = "http://api-server:8080/api/v2/monitor/health"


def answers(pages: dict[str, object]) -> Callable[[str], bytes]:
    """Return a function that answers some addresses and refuses the others."""

    def answer(url: str) -> bytes:
        if url not in pages:
            raise ConnectionRefusedError(url)
        return json.dumps(pages[url]).encode()

    return answer


@pytest.mark.parametrize(
    ("service", "part"), [("scheduler", "scheduler"), ("dag-processor", "dag_processor"), ("triggerer", "triggerer")]
)
def test_a_part_with_a_heartbeat_is_healthy(monkeypatch: pytest.MonkeyPatch, service: str, part: str) -> None:
    """The API returns the last heartbeat of each part."""
    monkeypatch.setattr(health, "_answer", answers({HEALTH: {part: {"status": "healthy"}}}))
    assert health.main(service) == 0

    monkeypatch.setattr(health, "_answer", answers({HEALTH: {part: {"status": "unhealthy"}}}))
    assert health.main(service) == 1


@pytest.mark.parametrize(
    ("service", "page"),
    [("api-server", "http://127.0.0.1:8080/api/v2/version"), ("mlflow", "http://127.0.0.1:5000/health")],
)
def test_a_server_that_answers_is_healthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], service: str, page: str
) -> None:
    """The message gives the reason of a missing answer."""
    monkeypatch.setattr(health, "_answer", answers({page: "ok"}))
    assert health.main(service) == 0

    monkeypatch.setattr(health, "_answer", answers({}))
    assert health.main(service) == 1
    assert capsys.readouterr().err.startswith(f"{service} does not answer: ")


def test_an_unknown_service_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists the known names."""
    assert health.main("sheduler") == 1

    assert "'sheduler', which is not one of api-server, dag-processor" in capsys.readouterr().err
