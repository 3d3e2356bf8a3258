"""The operators: the values that they pass on, and how an error ends a task."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskAwaitingInput

from include import lake
from include.core import settings
from include.core.errors import (
    ConfigError,
    ModelRefused,
    NightshiftError,
    SchemaMismatch,
    SourceEmpty,
    TrackingUnavailable,
)
from plugins.operators import promote_version
from plugins.operators.ask_retraining import AskRetrainingOperator
from plugins.operators.change_champion import ChangeChampionOperator
from plugins.operators.confirm_no_alerts import ConfirmNoAlertsOperator
from plugins.operators.extract_source import days_of_run
from plugins.operators.promote_version import AskAnotherOperator
from plugins.operators.retraining_step import DOCUMENTATION, RetrainingStepOperator
from plugins.operators.step import PipelineStepOperator
from plugins.operators.validate_batch import ValidateBatchOperator
from plugins.retries import ServiceAway
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.config.pipeline import Pipeline

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)


class FailingOperator(PipelineStepOperator):
    """Raises the given error."""

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
        (TrackingUnavailable("no answer"), ServiceAway),
    ],
)
def test_only_errors_that_a_retry_can_fix_are_retried(
    shop: Path, error: NightshiftError, kind: type[Exception]
) -> None:
    """An error that waiting cannot fix fails the task at once, with one sentence and without our traceback."""
    operator = FailingOperator(task_id="fail", pipeline="shop", error=error)

    with pytest.raises(AirflowException) as raised:
        operator.execute(Mock())

    assert type(raised.value) is kind
    assert str(raised.value) == f"{type(error).__name__}: {error}"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_the_cause_is_logged_above_the_sentence_without_its_password(
    shop: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver's traceback leads to the failing line; the password is hidden in an address and where it is alone."""
    monkeypatch.setenv("NIGHTSHIFT_TUNING_STORAGE", "postgresql://nightshift:hunter2-of-the-shop@db/trials")
    error = TrackingUnavailable("no answer")
    error.__cause__ = OSError("postgresql://nightshift:hunter2-of-the-shop@db/trials: 'hunter2-of-the-shop' is refused")

    with pytest.raises(ServiceAway, match=r"^TrackingUnavailable: no answer$"):
        FailingOperator(task_id="fail", pipeline="shop", error=error).execute(Mock())

    assert "OSError: postgresql://db/trials: '***' is refused" in caplog.text
    assert "no answer" not in caplog.text
    assert "hunter2" not in caplog.text


def test_only_an_alert_that_a_retraining_can_fix_starts_one(shop: Path) -> None:
    """A skipped task updates no asset."""
    operator = AskRetrainingOperator(task_id="ask_retraining", pipeline="shop", measured="measure_drift")
    found = {"as_of": "2024-03-20", "summary": "1 alert, 0 unknown, 3 ok"}
    task = Mock()

    now: Any = {"ti": task, "params": {"as_of": None}}
    task.xcom_pull.return_value = found | {"alerts": [{"kind": "metric", "name": "mae"}]}
    assert operator.execute(now) == ["metric mae"]
    with pytest.raises(AirflowSkipException, match="asked for by hand"):
        operator.execute(now | {"params": {"as_of": "2024-01-01"}})
    task.xcom_pull.return_value = found | {"alerts": [{"kind": "volume", "name": "predictions"}]}
    with pytest.raises(AirflowSkipException, match="no alert asks for a retraining: 1 alert, 0 unknown, 3 ok"):
        operator.execute(now)


def test_a_night_with_alerts_is_marked_and_names_each_in_a_warning(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task is green without alerts; with alerts it is skipped, which the grid shows in pink, and not failed."""
    operator = ConfirmNoAlertsOperator(task_id="confirm_no_alerts", pipeline="shop", measured="measure_drift")
    logged, task = Mock(), Mock()
    monkeypatch.setattr(ConfirmNoAlertsOperator, "log", logged)
    now: Any = {"ti": task}

    task.xcom_pull.return_value = {"outcome": "0 alerts, 1 unknown, 3 ok as of 2024-03-20 for version 1", "alerts": []}
    assert operator.execute(now) is None
    assert "ALERT" not in str(logged.warning.mock_calls)
    alert = {"kind": "nulls", "name": "visitors", "sentence": "every second value is null"}
    task.xcom_pull.return_value = {"outcome": "1 alert, 0 unknown, 3 ok as of 2024-03-20", "alerts": [alert]}
    with pytest.raises(AirflowSkipException, match="1 alert, 0 unknown, 3 ok as of 2024-03-20"):
        operator.execute(now)
    logged.warning.assert_called_with("ALERT  %s %s: %s", "nulls", "visitors", "every second value is null")


def context(*interval: datetime | None, **params: str | None) -> Any:
    """Return the parts of Airflow's context that days_of_run reads."""
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


def test_the_next_run_ingests_the_days_that_a_schedule_leaves_out() -> None:
    """The run of a Monday after a Friday ingests the days between, so that no day is lost."""
    friday, monday = datetime(2024, 3, 1, 0, 15, tzinfo=UTC), datetime(2024, 3, 4, 0, 15, tzinfo=UTC)

    assert days_of_run(context(friday, monday)) == (date(2024, 3, 1), date(2024, 3, 3))


def test_a_run_by_hand_ingests_no_day_that_has_not_ended() -> None:
    """A run without a form, started by hand, takes the last whole day."""
    assert days_of_run(context(datetime.now(UTC), datetime.now(UTC))) == (YESTERDAY, YESTERDAY)


@pytest.mark.parametrize(
    "params", [{"start": "2024-02-02", "end": "2024-02-01"}, {"start": "2024-01-01", "end": "2999-01-01"}]
)
def test_days_that_cannot_be_ingested_are_refused(params: dict[str, str]) -> None:
    """The sentence about an invalid range names the allowed days."""
    with pytest.raises(ConfigError, match=f"end not after {YESTERDAY}"):
        days_of_run(context(None, None, **params))


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str, str | None], Any]:
    """Return a function that requests a path as a user who may read the logs of one DAG or of none."""
    from airflow.api_fastapi.core_api import security
    from fastapi.testclient import TestClient

    monkeypatch.setattr(security.DagModel, "get_team_name", lambda dag_id: None)  # asks Airflow's database

    def ask(app: Any, path: str, may_read: str | None) -> Any:
        def is_authorized_dag(*, access_entity: Any, details: Any, **_: Any) -> bool:
            return (access_entity.value, details.id) == ("TASK_LOGS", may_read)

        manager = SimpleNamespace(is_authorized_dag=is_authorized_dag)
        monkeypatch.setattr(security, "get_auth_manager", lambda: manager)
        monkeypatch.setitem(app.dependency_overrides, security.get_user, lambda: "somebody")
        return TestClient(app).get(path)

    return ask


@pytest.mark.filterwarnings("ignore:Using `httpx`")  # FastAPI's own client
def test_a_validation_page_needs_the_right_to_read_the_ingest_logs(home: Path, ask: Callable[..., Any]) -> None:
    """A page shows values of the source, like the task's log: users who may not read the log see no page."""
    from plugins.web.validation_pages import app

    folder = home / "lake" / "shop" / "validations" / "sales"
    folder.mkdir(parents=True)
    (folder / "night.html").write_text("the page", encoding="utf-8")

    found = ask(app, "/shop/sales/night", "shop.ingest")
    assert found.text == "the page"
    assert found.headers["Content-Security-Policy"].endswith("; sandbox")
    assert ask(app, "/shop/sales/night", None).status_code == 403
    assert ask(app, "/other/sales/night", "shop.ingest").status_code == 403
    assert ask(app, "/shop/sales/other", "shop.ingest").status_code == 404


@pytest.mark.filterwarnings("ignore:Using `httpx`")
def test_the_feature_page_needs_the_right_to_read_the_retraining_logs(home: Path, ask: Callable[..., Any]) -> None:
    """The right to read ingestion logs is not enough; the browser must run no script of the page."""
    from plugins.web.feature_pages import app

    (home / "lake" / "shop").mkdir(parents=True)
    (home / "lake" / "shop" / "features.html").write_text("the page", encoding="utf-8")

    found = ask(app, "/shop", "shop.retrain")
    assert found.text == "the page"
    assert found.headers["Content-Security-Policy"].endswith("; sandbox")
    assert ask(app, "/shop", None).status_code == 403
    assert ask(app, "/shop", "shop.ingest").status_code == 403
    assert ask(app, "/other", "shop.retrain").status_code == 403
    assert ask(app, "/other", "other.retrain").status_code == 404
    assert ask(app, "/..%2Fshop", "../shop.retrain").status_code == 404
    assert ask(app, "/.", ".retrain").status_code == 404


@pytest.mark.filterwarnings("ignore:Using `httpx`")
def test_the_feature_page_names_who_is_champion_when_it_is_shown(
    shop: Path, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a rollback the page named the champion of the night in which it was made."""
    from include.config.loader import load_pipeline
    from include.evaluation.importance import ChampionImportance
    from include.features.build import FeatureTable
    from include.registry import importance
    from include.reports.feature_page import write_feature_page
    from plugins.web.feature_pages import app

    rows = pa.table({"store_day": ["a"], "prediction_time": [datetime(2024, 1, 1)], "revenue": [1.0], "weekday": [1]})
    version = lake.write_features(lake.features_uri("shop"), rows, "build", {})
    table = FeatureTable(lake.features_uri("shop"), version, ["store_day"], 1, 1, 4, "build")
    write_feature_page(load_pipeline("shop"), table, ChampionImportance(3, "mae", ["weekday"], {"weekday": (3.0, 0.1)}))

    now = ChampionImportance(2, "mae", ["weekday"], {"weekday": (2.0, 0.1)})
    monkeypatch.setattr(importance, "champion_importance", lambda name: now)
    shown = ask(app, "/shop", "shop.retrain").text
    assert "<dd>version 2</dd>" in shown
    assert "2.00" in shown
    assert "version 3" not in shown

    def no_answer(name: str) -> None:
        raise TrackingUnavailable("MLflow does not answer")

    monkeypatch.setattr(importance, "champion_importance", no_answer)
    assert "<dd>not known: MLflow does not answer</dd>" in ask(app, "/shop", "shop.retrain").text


def test_a_task_that_builds_features_leads_to_their_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is the address of the plugin, and Airflow knows the link."""
    from plugins.data_docs import DataDocsPlugin

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example:8080/")
    operator = RetrainingStepOperator(task_id="build_features", step="build", pipeline="shop")
    [link] = operator.operator_extra_links

    assert link.get_link(operator, ti_key=Mock()) == "http://airflow.example:8080/nightshift/features/shop"
    assert link.name in {each.name for each in DataDocsPlugin.operator_extra_links}
    assert "/nightshift/features" in {each["url_prefix"] for each in DataDocsPlugin.fastapi_apps}


def test_a_step_of_the_retraining_is_found_by_its_name() -> None:
    """One operator runs every step, and the UI still names each by what it does."""
    from include.workflows.retrain import steps

    operator = RetrainingStepOperator(task_id="promote_model", step="register", pipeline="shop")

    assert operator.operator_name == "Promote model"
    assert operator.doc_md == DOCUMENTATION["register"]
    assert set(DOCUMENTATION) == set(steps.__all__) - {"approval_request", "keep_answer"}


def test_a_task_that_validates_leads_to_the_page_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The link names the pipeline, the source, and the file of the run's page."""
    from include.validation.data_docs import page_path
    from plugins.data_docs import DataDocsPlugin

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example:8080")
    operator = ValidateBatchOperator(task_id="validate", pipeline="shop", batch={"source": "sales"})
    [link] = operator.operator_extra_links
    run = "manual__2024-01-01T00:00:00+00:00"

    address = link.get_link(operator, ti_key=Mock(run_id=run))

    page = page_path("shop", "sales", run).stem
    assert address == f"http://airflow.example:8080/nightshift/validations/shop/sales/{page}"
    assert link.name in {each.name for each in DataDocsPlugin.operator_extra_links}
    assert "/nightshift/validations" in {each["url_prefix"] for each in DataDocsPlugin.fastapi_apps}


@pytest.mark.parametrize("decision", ["hold", "release"])
def test_a_version_is_refused_where_the_decision_takes_none(shop: Path, decision: str) -> None:
    """A hold of version 3 does not exist; the form's version is not ignored."""
    operator = ChangeChampionOperator(task_id="change_champion", pipeline="shop")
    asked = {"params": {"decision": decision, "version": 3, "reason": "why"}, "dag_run": SimpleNamespace()}

    with pytest.raises(AirflowFailException, match=rf"the form names version 3, and {decision} takes no version"):
        operator.execute(asked)


class TestAskAnother:
    """A promotion by hand needs the approval of another user."""

    NOW = datetime.now(UTC)

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> Mock:
        """Stand in for the calls to Airflow; return the one that opens the question."""
        opened = Mock()
        monkeypatch.setattr(promote_version, "upsert_hitl_detail", opened)
        monkeypatch.setattr("airflow.providers.standard.operators.hitl.upsert_hitl_detail", opened)
        return opened

    @pytest.fixture
    def checked(self, monkeypatch: pytest.MonkeyPatch) -> Mock:
        """Stand in for the check of the version, which accepts any."""
        check = Mock()
        monkeypatch.setattr("include.workflows.retrain.decisions.check_promotable", check)
        return check

    def _operator(self) -> AskAnotherOperator:
        return AskAnotherOperator(
            task_id="ask_another", pipeline="shop", subject="may it?", response_timeout=timedelta(hours=12)
        )

    def _context(self, started: datetime = NOW) -> Any:
        run = SimpleNamespace(triggering_user_name="ada", start_date=started)
        task = SimpleNamespace(id="1")
        return {"params": {"version": 99}, "dag_run": run, "ti": task, "task_instance": task}

    def _event(self, option: str, by: str | None) -> dict[str, Any]:
        person = {"id": by, "name": by} if by else None
        return {
            "chosen_options": [option],
            "params_input": {},
            "responded_at": self.NOW,
            "responded_by_user": person,
        }

    def test_nobody_is_asked_about_a_version_that_cannot_be_promoted(
        self, shop: Path, asked: Mock, checked: Mock
    ) -> None:
        """Version 99 does not exist: the run fails at once, with the sentence of the check."""
        checked.side_effect = ModelRefused("shop has no version 99 in MLflow; there are 1, 2")

        with pytest.raises(AirflowFailException, match="shop has no version 99 in MLflow; there are 1, 2"):
            self._operator().execute(self._context())
        asked.assert_not_called()

    def test_an_approval_by_the_asker_keeps_the_question_open(
        self, asked: Mock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Their answer is discarded, the log says why, and others have the rest of the time."""
        context = self._context(started=self.NOW - timedelta(hours=2))

        with pytest.raises(TaskAwaitingInput) as parked:
            self._operator().execute_complete(context, self._event("Approve", "ada"))

        assert asked.call_args.kwargs["ti_id"] == "1"
        assert parked.value.method_name == "execute_complete"
        assert timedelta(hours=9, minutes=50) < parked.value.timeout <= timedelta(hours=10)
        assert "The approval by ada was not taken: ada asked for this promotion" in capsys.readouterr().out

    @pytest.mark.parametrize(("option", "by"), [("Approve", "bo"), ("Reject", "ada"), ("Reject", None)])
    def test_other_answers_are_taken(self, option: str, by: str | None, asked: Mock) -> None:
        """Another user approves, the asker withdraws, and no answer in time is a rejection."""
        answer = self._operator().execute_complete(self._context(), self._event(option, by))

        assert answer["chosen_options"] == [option]
        asked.assert_not_called()

    @pytest.mark.parametrize(
        ("approvers", "assigned"), [("[]", None), ("[ada, bo]", ["bo"])], ids=["everyone", "two approvers"]
    )
    def test_the_asker_is_not_among_the_users_who_may_answer(
        self, approvers: str, assigned: list[str] | None, shop: Path, asked: Mock, checked: Mock
    ) -> None:
        """Airflow refuses the answer of a user who is not assigned, before the task gets it."""
        factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML + f"approval: {{approvers: {approvers}}}\n")

        with pytest.raises(TaskAwaitingInput):
            self._operator().execute(self._context())

        users = asked.call_args.kwargs["assigned_users"]
        assert (users and [user["id"] for user in users]) == assigned

    def test_a_question_that_nobody_may_answer_is_not_asked(self, shop: Path, asked: Mock, checked: Mock) -> None:
        """The asker is the only approver."""
        factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML + "approval: {approvers: [ada]}\n")

        with pytest.raises(AirflowFailException, match="ada asks for this promotion and is the only user in approval"):
            self._operator().execute(self._context())


def test_a_step_that_a_signal_ends_logs_its_place_in_the_code() -> None:
    """A query with too many columns killed the task's process, and its log ended without a word."""
    step = (
        "import os, signal\n"
        "from plugins.operators.step import airflow_errors\n"
        "def count_columns(): os.kill(os.getpid(), signal.SIGFPE)\n"
        "with airflow_errors(): count_columns()\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", step], capture_output=True, text=True, cwd=settings.root(), check=False
    )

    assert ended.returncode == -signal.SIGFPE
    assert "Fatal Python error: Floating" in ended.stderr
    assert "in count_columns" in ended.stderr
