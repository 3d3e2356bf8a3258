"""After the demo, the DAGs that run at night are unpaused, and the terminal names each DAG that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from include.ops.demo.schedules import schedule_lines, unpause_scheduled
from include.ops.embedded.airflow_answers import Dag
from include.ops.embedded.airflow_client import AirflowClient

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def paused() -> dict[str, bool]:
    """Return the DAGs that Airflow knows, and whether they are paused."""
    return {"shop.score": True, "shop.ingest": False, "shop.promote": False, "shop.monitor": True, "mart.shop": True}


@pytest.fixture
def client(paused: dict[str, bool]) -> Mock:
    """Return a client of an Airflow in which a DAG can be paused and unpaused."""

    def dags(_: str) -> list[Dag]:
        schedules = {name: None if name == "shop.promote" else "Asset" for name in paused}
        return [Dag(dag_id=name, is_paused=off, timetable_summary=schedules[name]) for name, off in paused.items()]

    pause: Callable[[str, bool], None] = paused.__setitem__
    return Mock(spec=AirflowClient, dags=dags, pause=pause)


def test_the_terminal_names_what_is_paused_and_the_command_that_starts_it(client: Mock) -> None:
    """Nightly scoring and monitoring were off without a word."""
    running, off = schedule_lines(client, "shop")

    assert running == "While this stack is up, Airflow runs by their schedules: shop.ingest"
    assert off.startswith("Paused, so they do not run: shop.monitor, shop.score; unpause them")
    assert "./nightshift airflow dags unpause" in off


def test_every_dag_of_the_pipeline_with_a_schedule_is_unpaused(client: Mock, paused: dict[str, bool]) -> None:
    """A DAG of another pipeline stays as it is."""
    unpause_scheduled(client, "shop")

    assert [name for name, off in paused.items() if off] == ["mart.shop"]
    assert schedule_lines(client, "shop") == [
        "While this stack is up, Airflow runs by their schedules: shop.ingest, shop.monitor, shop.score"
    ]
