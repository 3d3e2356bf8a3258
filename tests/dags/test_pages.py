"""The pages of the plugin: who sees which rows, what Airflow knows of them, and how the browser may show them."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from httpx import Response

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`")  # FastAPI's own client

AT = datetime(2024, 3, 21, 2, 0, tzinfo=UTC)
#: What a role may do: the kinds of DAGs whose logs it reads, and those that it triggers.
ALL = ("ingest", "retrain", "score", "monitor", "maintain", "promote", "rollback")


@pytest.fixture
def airflow(migrated: Path, tmp_path: Path) -> Iterator[Session]:
    """Return a session of an Airflow database that knows the DAGs of the shop."""
    shutil.copy(migrated / "airflow.db", tmp_path / "airflow.db")
    with Session(create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")) as session:
        session.execute(text("INSERT INTO dag_bundle (name, active) VALUES ('dags-folder', 1)"))
        for kind in ALL:
            add_dag(session, f"shop.{kind}")
        session.commit()
        yield session


def add_dag(session: Session, dag_id: str, next_run: datetime | None = None, paused: bool = False) -> None:
    """Let Airflow know a DAG."""
    from airflow.models.dag import DagModel

    session.execute(text("DELETE FROM dag WHERE dag_id = :dag"), {"dag": dag_id})
    session.add(
        DagModel(
            dag_id=dag_id,
            bundle_name="dags-folder",
            is_paused=paused,
            is_stale=False,
            max_active_tasks=1,
            max_active_runs=1,
            max_consecutive_failed_dag_runs=0,
            has_task_concurrency_limits=False,
            next_dagrun_create_after=next_run,
        )
    )


def add_run(session: Session, dag_id: str, run_id: str, state: str) -> None:
    """Let Airflow know a run of a DAG."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    run = DagRun(
        dag_id=dag_id,
        run_id=run_id,
        run_type=DagRunType.MANUAL,
        run_after=AT,
        state=state,
        triggered_by=DagRunTriggeredByType.TEST,
    )
    session.add(run)
    session.flush()


def add_question(session: Session, dag_id: str, run_id: str, task_id: str, **answered: Any) -> None:
    """Let a task of a run wait for an answer."""
    from airflow.models.hitl import HITLDetail

    task = uuid4()
    fields = {"id": task.hex, "task": task_id, "dag": dag_id, "run": run_id}
    session.execute(
        text(
            "INSERT INTO task_instance (id, task_id, dag_id, run_id, map_index, state, try_number, max_tries, pool, "
            "pool_slots, hostname, queue, executor_config, span_status) VALUES "
            "(:id, :task, :dag, :run, -1, 'awaiting_input', 1, 0, 'default_pool', 1, '', 'default', x'80057d942e', 'x')"
        ),
        fields,
    )
    session.add(HITLDetail(ti_id=task, options=[], subject="may version 8 become the champion?", params={}, **answered))
    session.flush()


@pytest.fixture
def ask(airflow: Session, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Response]:
    """Return a function that asks for the page of a user, who may read some DAGs and trigger others."""
    from airflow.api_fastapi.common.db import common
    from airflow.api_fastapi.core_api import security
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from plugins import nightshift_pages
    from plugins.web import access
    from plugins.web.models_page import app

    def ask(path: str = "/nightshift/models/", reads: Any = (), triggers: Any = (), prefix: str = "") -> Response:
        def is_authorized_dag(*, method: str, access_entity: Any, details: Any, user: str) -> bool:
            assert user == "somebody"
            allowed = {("GET", "TASK_LOGS"): reads, ("POST", "RUN"): triggers}[method, access_entity.value]
            return details.id in allowed

        manager = SimpleNamespace(is_authorized_dag=is_authorized_dag)
        monkeypatch.setattr(access, "get_auth_manager", lambda: manager)
        monkeypatch.setitem(app.dependency_overrides, security.get_user, lambda: "somebody")
        monkeypatch.setitem(app.dependency_overrides, common._get_session, lambda: airflow)
        server = FastAPI(root_path=prefix)
        [mounted] = nightshift_pages.NightshiftPagesPlugin.fastapi_apps
        server.mount(mounted["url_prefix"], mounted["app"])
        return TestClient(server, base_url="http://airflow.example").get(prefix + path)

    return ask


def dags(*kinds: str, of: str = "shop") -> set[str]:
    """Return the ids of a pipeline's DAGs."""
    return {f"{of}.{kind}" for kind in kinds or ALL}


def names(page: str) -> list[str]:
    """Return the pipelines on a page."""
    return re.findall(r'rowheader"><a [^>]*>(\w+)</a>', page)


def test_nobody_sees_the_page_without_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is a page that says so, and shows no row."""
    from fastapi.testclient import TestClient

    from plugins.web.models_page import app

    answer = TestClient(app).get("/")

    assert answer.status_code == 401
    assert "Log in to Airflow" in answer.text
    assert names(answer.text) == []


def test_a_row_is_for_those_who_may_read_the_logs_of_its_retraining(shop: Path, ask: Callable[..., Response]) -> None:
    """Another team's pipeline is not even named."""
    factories.write_shop(shop.parent, "bakery")

    assert names(ask(reads=dags()).text) == ["shop"]
    assert "bakery" not in ask(reads=dags()).text
    assert names(ask(reads=dags() | dags(of="bakery")).text) == ["bakery", "shop"]
    nothing = ask(reads=dags("ingest", "score", "monitor"))
    assert (nothing.status_code, names(nothing.text)) == (200, [])
    assert "You may read the DAGs of no pipeline" in nothing.text


def test_what_another_dag_found_is_for_its_own_readers() -> None:
    """Who may read the retraining alone sees no alert, and not how far data and predictions reach."""
    from datetime import date

    from include.reports.model_row import Alert, ModelState
    from plugins.web.models_page import readable_part

    day = date(2024, 3, 20)
    state = ModelState(
        "shop", alerts=(Alert("drift", "price", "PSI"),), alerts_as_of="x", data_through=day, predictions_through=day
    )

    assert readable_part(state, dags()) == state
    assert readable_part(state, dags("retrain")) == ModelState("shop")
    assert readable_part(state, dags("retrain", "ingest")) == ModelState("shop", data_through=day)


def test_a_viewer_sees_no_action(shop: Path, ask: Callable[..., Response]) -> None:
    """Links to forms are for those who may trigger the DAG behind each."""
    assert "Roll back" not in ask(reads=dags()).text
    assert "Actions" not in ask(reads=dags()).text
    some = ask(reads=dags(), triggers=dags("rollback")).text
    assert 'href="../../dags/shop.rollback"' in some
    assert "Promote" not in some


def test_the_next_run_is_that_of_the_ingestion(shop: Path, ask: Callable[..., Response], airflow: Session) -> None:
    """The retraining follows it; where either is paused, nothing follows, and the page says so."""
    add_dag(airflow, "shop.ingest", next_run=datetime(2024, 3, 22, 0, 15, tzinfo=UTC))
    found = ask(reads=dags()).text
    assert "2024-03-22 00:15" in found
    assert "after the ingestion" in found

    add_dag(airflow, "shop.ingest", paused=True)
    add_dag(airflow, "shop.score", paused=True)
    found = ask(reads=dags()).text
    assert "after the ingestion, which is paused" in found
    assert "paused: ingest, score" in found


def test_a_failed_run_and_an_open_question_need_attention(
    shop: Path, ask: Callable[..., Response], airflow: Session
) -> None:
    """Only the last run of a DAG counts, and only a question without an answer."""
    add_run(airflow, "shop.score", "first", "success")
    add_run(airflow, "shop.score", "last:run", "failed")
    add_run(airflow, "shop.monitor", "first", "failed")
    add_run(airflow, "shop.monitor", "last", "success")
    add_run(airflow, "shop.retrain", "night", "running")
    add_question(airflow, "shop.retrain", "night", "request_approval")
    add_question(airflow, "shop.retrain", "night", "answered", responded_at=AT)

    found = ask(reads=dags()).text

    assert 'href="../../dags/shop.score/runs/last%3Arun"' in found
    assert "the last monitor run failed" not in found
    question = 'href="../../dags/shop.retrain/runs/night/tasks/request_approval/required_actions"'
    assert found.count("may version 8 become the champion?") == found.count(question) == 1
    assert "the last score run failed" not in ask(reads=dags("retrain")).text


def test_the_browser_may_frame_the_page_in_airflow_alone(shop: Path, ask: Callable[..., Response]) -> None:
    """It runs the page's own script only, asks no other host, and keeps no copy."""
    answer = ask(reads=dags())

    policy = answer.headers["Content-Security-Policy"]
    [nonce] = set(re.findall(r"'nonce-([^']+)'", policy))
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert "X-Frame-Options" not in answer.headers
    assert re.findall(r"<(?:script|style)[^>]*>", answer.text) == [
        f'<style nonce="{nonce}">',
        f'<script nonce="{nonce}">',
    ]
    assert nonce not in ask(reads=dags()).text
    assert answer.headers["Cache-Control"] == "no-store"


def test_links_work_behind_a_path(shop: Path, ask: Callable[..., Response]) -> None:
    """They are relative, so that a proxy may put Airflow anywhere."""
    from plugins.nightshift_pages import NightshiftPagesPlugin

    for prefix in ("", "/team/airflow"):
        assert 'href="../../dags/shop.retrain"' in ask(reads=dags(), prefix=prefix).text
        lost = ask("/nightshift/models/some/old/page", reads=dags(), prefix=prefix)
        assert lost.status_code == 404
        assert "There is no such page" in lost.text
        assert 'href="../../../../"' in lost.text
    [view] = NightshiftPagesPlugin.external_views
    assert view["href"] == "nightshift/models/"
    assert view["destination"] == "nav"


def test_a_wrong_setting_is_a_page_with_its_sentence(
    shop: Path, ask: Callable[..., Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens the page learns which variable to correct."""
    monkeypatch.setenv("LAKE_URI", "ftp://somewhere")

    answer = ask(reads=dags())

    assert answer.status_code == 503
    assert "This page cannot be shown" in answer.text
    assert "the lake cannot be in a store of the kind" in answer.text
    assert "frame-ancestors" in answer.headers["Content-Security-Policy"]


def test_the_address_sorts_and_filters(shop: Path, ask: Callable[..., Response]) -> None:
    """The state of the page is in its address, which can be sent to a colleague."""
    factories.write_shop(shop.parent, "bakery")
    both = dags() | dags(of="bakery")

    assert names(ask("/nightshift/models/?sort=-pipeline", reads=both).text) == ["shop", "bakery"]
    assert names(ask("/nightshift/models/?q=bak", reads=both).text) == ["bakery"]
