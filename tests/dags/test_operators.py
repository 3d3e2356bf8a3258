"""The operators: what they pass on, and how an error ends a task."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from include.errors import ConfigError, NightshiftError, SchemaMismatch, SourceEmpty, TrackingUnavailable
from plugins.operators.extract_source import days_of_run
from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.config import Pipeline

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)


class FailingOperator(PipelineStepOperator):
    """Raises what it is given."""

    def __init__(self, *, error: NightshiftError, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def run_step(self, pipeline: Pipeline, context: Any) -> None:
        """Raise."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SchemaMismatch("other columns"), AirflowFailException),
        (SourceEmpty("no rows yet"), AirflowException),
        (TrackingUnavailable("no answer"), AirflowException),
    ],
)
def test_only_what_a_retry_can_mend_is_tried_again(shop: Path, error: NightshiftError, kind: type[Exception]) -> None:
    """An error that waiting cannot mend fails the task at once; the sentence is kept, our traceback is not."""
    operator = FailingOperator(task_id="fail", pipeline="shop", error=error)

    with pytest.raises(AirflowException) as raised:
        operator.execute(Mock())

    assert type(raised.value) is kind
    assert str(raised.value) == f"{type(error).__name__}: {error}"
    assert raised.value.__suppress_context__


def context(*interval: datetime | None, **params: str | None) -> Any:
    """Return what days_of_run reads of Airflow's context."""
    first, last = interval
    return {"dag_run": SimpleNamespace(data_interval_start=first, data_interval_end=last), "params": params}


@pytest.mark.parametrize(
    ("params", "days"),
    [
        ({}, (date(2024, 3, 1), date(2024, 3, 1))),
        ({"start": None, "end": None}, (date(2024, 3, 1), date(2024, 3, 1))),
        ({"start": "2024-01-01", "end": "2024-02-01"}, (date(2024, 1, 1), date(2024, 2, 1))),
        ({"start": "2024-01-01"}, (date(2024, 1, 1), YESTERDAY)),
        ({"end": "2024-02-01"}, (date(2024, 2, 1), date(2024, 2, 1))),
    ],
)
def test_a_run_ingests_the_day_of_its_schedule_or_of_its_form(
    params: dict[str, str | None], days: tuple[date, date]
) -> None:
    """Without a form the day is the schedule's; a form names a range."""
    interval = datetime(2024, 3, 1, 0, 15, tzinfo=UTC), datetime(2024, 3, 2, 0, 15, tzinfo=UTC)

    assert days_of_run(context(*interval, **params)) == days


def test_a_schedule_that_leaves_out_days_ingests_them_with_the_next_run() -> None:
    """The run of a Monday, after a Friday, has the days between, so that none is lost."""
    friday, monday = datetime(2024, 3, 1, 0, 15, tzinfo=UTC), datetime(2024, 3, 4, 0, 15, tzinfo=UTC)

    assert days_of_run(context(friday, monday)) == (date(2024, 3, 1), date(2024, 3, 3))


def test_a_run_by_hand_ingests_no_day_that_has_not_ended() -> None:
    """A run without a form, started by hand, takes the last whole day."""
    assert days_of_run(context(datetime.now(UTC), datetime.now(UTC))) == (YESTERDAY, YESTERDAY)


@pytest.mark.parametrize(
    "params", [{"start": "2024-02-02", "end": "2024-02-01"}, {"start": "2024-01-01", "end": "2999-01-01"}]
)
def test_days_that_cannot_be_ingested_are_refused(params: dict[str, str]) -> None:
    """A range that ends before it starts, or in the future, is named with what is allowed."""
    with pytest.raises(ConfigError, match=f"end not after {YESTERDAY}"):
        days_of_run(context(None, None, **params))


@pytest.fixture
def pages(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bool], Any]:
    """Return a function that asks for a page, as somebody who may or may not read the logs of shop.ingest."""
    from airflow.api_fastapi.core_api import security
    from fastapi.testclient import TestClient

    from plugins.web.validation_pages import app

    folder = home / "lake" / "shop" / "validations" / "sales"
    folder.mkdir(parents=True)
    (folder / "night.html").write_text("the page", encoding="utf-8")
    monkeypatch.setitem(app.dependency_overrides, security.get_user, lambda: "somebody")
    monkeypatch.setattr(security.DagModel, "get_team_name", lambda dag_id: None)  # asks Airflow's database

    def ask(path: str, allowed: bool) -> Any:
        def is_authorized_dag(*, access_entity: Any, details: Any, **_: Any) -> bool:
            return allowed and (access_entity.value, details.id) == ("TASK_LOGS", "shop.ingest")

        manager = SimpleNamespace(is_authorized_dag=is_authorized_dag)
        monkeypatch.setattr(security, "get_auth_manager", lambda: manager)
        return TestClient(app).get(path)

    return ask


@pytest.mark.filterwarnings("ignore:Using `httpx`")  # FastAPI's own client
def test_a_page_is_for_those_who_may_read_the_logs_of_its_ingest(pages: Callable[[str, bool], Any]) -> None:
    """A page has values of the source, as the task's log has: who may not read that sees no page of the pipeline."""
    assert pages("/shop/sales/night", True).text == "the page"
    assert pages("/shop/sales/night", False).status_code == 403
    assert pages("/other/sales/night", True).status_code == 403
    assert pages("/shop/sales/other", True).status_code == 404
