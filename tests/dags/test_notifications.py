"""Notifications: which tasks have them, what they send, and that none of them raises."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.log import mask_secret, redact

from include.config.notify import Notify
from plugins.notifications import (
    ApprovalNotifier,
    DriftNotifier,
    FailureNotifier,
    OutageNotifier,
    VerdictNotifier,
    approval_notifiers,
    drift_notifiers,
)
from plugins.retries import ServiceAway
from tests import factories
from tests.dags.test_parse import HEAVY, parse
from tests.services import smtp, webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow.sdk import DAG

ALL = "notify:\n  - {to: email, connection: mail, recipients: [a@example.org]}\n  - {to: webhook, connection: chat}\n"
VERDICTS = "notify:\n  - {to: webhook, connection: chat, events: [verdict]}\n"
CHAT = "notify:\n  - {to: webhook, connection: chat}\n"
TO_CHAT = Notify(to="webhook", connection="chat")


def dags(folder: Path, notify: str) -> dict[str, DAG]:
    """Return the shop's DAGs by kind, with an item of pipeline.yaml added."""
    from dags.ingest import ingest_dag
    from dags.maintain import maintain_dag
    from dags.monitor import monitor_dag
    from dags.quarantine import quarantine_dag
    from dags.retrain import retrain_dag
    from include.config.loader import load_pipeline

    factories.write_shop(folder.parent, pipeline=factories.SHOP_YAML + notify)
    made = (ingest_dag, maintain_dag, monitor_dag, quarantine_dag, retrain_dag)
    return {dag.dag_id.rpartition(".")[2]: dag for dag in (make("shop", load_pipeline("shop")) for make in made)}


def callbacks(dag: DAG) -> dict[str, list[str]]:
    """Return the names of the callbacks of a DAG and of its tasks."""
    found = {}
    for each in (dag, *dag.tasks):
        kinds = ("on_failure_callback", "on_success_callback", "on_retry_callback", "on_execute_callback")
        names = [type(callback).__name__ for kind in kinds for callback in getattr(each, kind, None) or []]
        if names:
            found[getattr(each, "task_id", "the run")] = names
    return found


def test_without_notify_there_are_no_callbacks(shop: Path) -> None:
    """By default no DAG and no task has a callback of any kind, nor does Airflow think so."""
    found = dags(shop, "")
    assert {"ingest", "retrain", "monitor"} <= found.keys()
    for dag in found.values():
        assert callbacks(dag) == {}
        assert not dag.has_on_failure_callback
        assert not any(task.has_on_failure_callback or task.has_on_success_callback for task in dag.tasks)


def test_every_task_reports_its_failure_and_the_last_one_the_verdict(shop: Path) -> None:
    """Each address has a callback of its own, and a run that hangs is reported too."""
    found = dags(shop, ALL)
    assert {"ingest", "retrain", "monitor"} <= found.keys()
    for kind, dag in found.items():
        failed, waits = ["FailureNotifier"] * 2, ["OutageNotifier"] * 2
        expected = dict.fromkeys(dag.task_ids, failed + waits) | {"the run": ["OverdueNotifier"] * 2}
        if kind == "retrain":
            expected["summarize_run"] = failed + ["VerdictNotifier"] * 2 + waits
        if kind == "monitor":
            expected["measure_drift"] = failed + ["DriftNotifier"] * 2 + waits
        assert callbacks(dag) == expected, kind


def test_an_address_gets_only_the_events_that_it_asked_for(shop: Path) -> None:
    """An address that wants verdicts gets no failures."""
    found = dags(shop, VERDICTS)

    assert callbacks(found["retrain"]) == {"summarize_run": ["VerdictNotifier"]}
    assert callbacks(found["ingest"]) == callbacks(found["maintain"]) == callbacks(found["quarantine"]) == {}
    assert callbacks(found["monitor"]) == {}


def test_parsing_with_notifications_loads_nothing_heavy(tmp_path: Path) -> None:
    """The mail client is imported only when there is something to send."""
    factories.write_shop(tmp_path / "pipelines", pipeline=factories.SHOP_YAML + ALL)

    found = parse(tmp_path, NIGHTSHIFT_PIPELINES=str(tmp_path / "pipelines"))

    assert found["errors"] == {}
    assert {*HEAVY, "aiosmtplib", "slack_sdk", "apprise"} & set(found["modules"]) == set()


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[webhook.Webhook]:
    """Run a webhook and connect it."""
    with webhook.serve() as hook:
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", hook.connection())
        yield hook


def failed(error: BaseException) -> Any:
    """Return Airflow's context for the callback of a failed task."""
    task = SimpleNamespace(
        dag_id="shop.ingest", task_id="sales.validate", run_id="night", try_number=5, log_url="http://airflow/log"
    )
    return {"ti": task, "exception": error}


def test_an_error_is_sent_as_it_is_and_not_as_a_template(chat: webhook.Webhook) -> None:
    """A row with braces in an error message would otherwise be rendered, and may read every connection."""
    error = AirflowFailException("SchemaMismatch: found '{{ 6 * 7 }}' and '{{ conn.chat.extra }}'")

    FailureNotifier("shop", TO_CHAT)(failed(error))

    [told] = chat.posted
    assert told["facts"]["error"] == "SchemaMismatch: found '{{ 6 * 7 }}' and '{{ conn.chat.extra }}'"


@pytest.mark.parametrize(
    ("error", "try_number", "sent"),
    [
        (ServiceAway("TrackingUnavailable: MLflow at http://mlflow:5000 does not answer"), 1, True),
        (ServiceAway("TrackingUnavailable: MLflow at http://mlflow:5000 does not answer"), 2, False),
        (AirflowFailException("SchemaMismatch: other columns"), 1, False),
        (None, 1, False),
    ],
)
def test_the_first_wait_for_a_service_is_reported(
    chat: webhook.Webhook, error: Exception | None, try_number: int, sent: bool
) -> None:
    """Once for all tries of a task, and neither another error nor a killed process is an outage."""
    task = SimpleNamespace(
        dag_id="shop.retrain",
        task_id="register_model",
        run_id="night",
        try_number=try_number,
        max_tries=5,
        task=SimpleNamespace(retries=5),
        log_url="http://localhost:8080/log",
    )

    OutageNotifier("shop", TO_CHAT).notify({"ti": task, "exception": error})  # type: ignore[typeddict-item]

    subjects = [each["subject"] for each in chat.posted]
    assert subjects == ["shop: register_model waits for a service in shop.retrain"] * sent


def test_secrets_that_airflow_masks_in_logs_are_masked_in_messages(chat: webhook.Webhook) -> None:
    """Airflow knows a password by its value, whatever form an error shows it in."""
    mask_secret("a-password-of-no-form")

    FailureNotifier("shop", TO_CHAT)(failed(ValueError("a-password-of-no-form was refused")))

    [told] = chat.posted
    assert told["facts"]["error"] == "ValueError: *** was refused"
    assert "a-password-of-no-form" not in json.dumps(told)


@pytest.fixture
def processed(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that lets Airflow's DAG processor run the callbacks of the retraining DAG.

    It takes why a run has failed, and nothing for a task that was killed.
    """
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import DagRun, TIRunContext
    from airflow.callbacks.callback_requests import DagCallbackRequest, DagRunContext, TaskCallbackRequest
    from airflow.dag_processing.processor import _execute_dag_callbacks, _execute_task_callbacks
    from airflow.executors.workloads import TaskInstance

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")
    dag = dags(shop, CHAT)["retrain"]
    bag, log = Mock(dags={dag.dag_id: dag}), Mock()
    names: dict[str, Any] = {"dag_id": dag.dag_id, "run_id": "a+b"}
    file: dict[str, Any] = {"filepath": "dags/retrain.py", "bundle_name": "dags-folder", "bundle_version": None}
    now = datetime.now(UTC)
    days = dict.fromkeys(("logical_date", "data_interval_start", "data_interval_end", "end_date"))
    run = DagRun(
        **names,
        **days,
        run_after=now,
        start_date=now,
        run_type="manual",
        state="running",
        clear_number=0,
        consumed_asset_events=[],
        partition_key=None,
    )
    task = TaskInstance(
        **names,
        id=uuid4(),
        task_id="plan_run",
        try_number=2,
        map_index=-1,
        dag_version_id=uuid4(),
        pool_slots=1,
        queue="default",
        priority_weight=1,
    )

    def process(reason: str | None = None, *, knows_a_task: bool = True) -> None:
        if reason is None:
            told = TIRunContext(dag_run=run, max_tries=1, variables=[], connections=[], xcom_keys_to_clear=[])
            request = TaskCallbackRequest(
                **file, ti=task, msg="no heartbeat", task_callback_type="failed", context_from_server=told
            )
            _execute_task_callbacks(bag, request, log)
        else:
            known = DagRunContext(dag_run=run, last_ti=task) if knows_a_task else None
            request = DagCallbackRequest(
                **file, **names, is_failure_callback=True, msg=reason, context_from_server=known
            )
            _execute_dag_callbacks(bag, request, log)
        assert not log.exception.called

    return process


def test_a_killed_task_is_reported_without_an_error(processed: Callable[..., None], chat: webhook.Webhook) -> None:
    """The DAG processor has no exception to pass on."""
    processed()

    [told] = chat.posted
    assert "The task left no error: its process was killed" in told["text"]
    assert told["facts"] == {"dag": "shop.retrain", "task": "plan_run", "run": "a+b", "try": 2, "error": None}
    log = "https://airflow.example/dags/shop.retrain/runs/a%2Bb/tasks/plan_run?try_number=2"
    assert told["links"] == {"Log": log}


@pytest.mark.parametrize("knows_a_task", [True, False])
def test_a_timeout_of_a_run_is_reported_and_a_failed_task_is_not_reported_twice(
    processed: Callable[..., None], chat: webhook.Webhook, knows_a_task: bool
) -> None:
    """Airflow calls it for both, and the task has reported its own failure."""
    processed("task_failure", knows_a_task=knows_a_task)
    processed("timed_out", knows_a_task=knows_a_task)

    [told] = chat.posted
    assert told["facts"]["error"] == "timed_out"
    assert told["links"] == {"Run": "https://airflow.example/dags/shop.retrain/runs/a%2Bb"}


def test_drift_is_reported_only_with_an_alert(shop: Path, chat: webhook.Webhook) -> None:
    """A nightly run without an alert sends no message."""
    from include.config.loader import load_pipeline

    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML + VERDICTS.replace("verdict", "drift"))
    [notifier] = drift_notifiers(load_pipeline("shop"))
    alert = {"kind": "metric", "name": "mae", "value": 60.0, "limit": 50.0, "rows": 300, "sentence": "mae is above"}
    returned = {"as_of": "2024-03-20", "version": 1, "alerts": [alert]}
    task = SimpleNamespace(task_id="measure_drift", log_url="https://airflow.example/log")

    task.xcom_pull = lambda task_ids: returned | {"alerts": []}
    notifier({"ti": task})
    task.xcom_pull = lambda task_ids: returned
    notifier({"ti": task})

    assert isinstance(notifier, DriftNotifier)
    [told] = chat.posted
    assert told["subject"] == "shop as of 2024-03-20: metric mae"
    assert told["links"] == {"Log": "https://airflow.example/log"}


def test_an_approval_leads_to_the_page_of_the_answer(
    shop: Path, chat: webhook.Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the text of Airflow's own page, and the effect of no answer."""
    from include.config.loader import load_pipeline

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example")
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML + VERDICTS.replace("verdict", "approval"))
    [notifier] = approval_notifiers(load_pipeline("shop"))
    operator = ApprovalOperator(task_id="request_approval", subject="May it?", body="```text\nVERDICT\n```")
    operator.defaults = ["Reject"]
    operator.hitl_summary_extra["timeout_datetime"] = "2024-03-01T06:00:00+00:00"
    task = SimpleNamespace(dag_id="shop.retrain", task_id="request_approval", run_id="night")

    notifier({"ti": task, "task": operator})

    assert isinstance(notifier, ApprovalNotifier)
    [told] = chat.posted
    assert told["text"].startswith("shop: waiting for an approval\n\nMay it?\n\nIf nobody answers until 2024-03-01T06")
    assert "the answer is Reject.\n\nVERDICT\n" in told["text"]
    answer = "https://airflow.example/dags/shop.retrain/runs/night/tasks/request_approval/required_actions"
    assert told["links"] == {"Answer": answer}


def test_a_failed_delivery_is_a_warning(chat: webhook.Webhook, caplog: pytest.LogCaptureFixture) -> None:
    """The warning names the address that was not notified, and why."""
    chat.status = 403

    FailureNotifier("shop", TO_CHAT)(failed(ValueError("x")))

    [warning] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert warning.getMessage().startswith("shop: webhook (connection 'chat') was not notified: AirflowException: 403:")


def test_the_path_of_a_webhook_is_in_no_log(
    closed_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The errors of requests show the path, and Airflow's hook logs them before raising: both lines are masked."""
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", webhook.Webhook(closed_port).connection())

    FailureNotifier("shop", TO_CHAT)(failed(ValueError("x")))

    assert "was not notified: ConnectionError: " in caplog.text
    assert caplog.text.count("url: /***") == 2
    assert webhook.PATH not in caplog.text
    assert redact(f"Max retries exceeded with url: {webhook.PATH}") == "Max retries exceeded with url: /***"


@pytest.mark.parametrize("to", ["email", "webhook"])
def test_an_unknown_connection_is_a_warning(to: str, caplog: pytest.LogCaptureFixture) -> None:
    """The task's log names a connection that Airflow does not know."""
    address = Notify(to=to, connection="nowhere", recipients=["a@b.c"] if to == "email" else [])

    FailureNotifier("shop", address)(failed(ValueError("x")))

    assert f"shop: {to} (connection 'nowhere') was not notified: " in caplog.text


def test_an_unreadable_verdict_is_a_warning(shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error while the message is built does not fail the task either."""
    task = failed(ValueError("x"))["ti"]
    task.xcom_pull = lambda **_: None

    VerdictNotifier("shop", TO_CHAT)({"ti": task})

    assert "shop: webhook (connection 'chat') was not notified: RunMissing: " in caplog.text


def test_an_email_has_its_subject_in_one_line_and_any_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break in a subject would start a new header."""
    with smtp.serve() as box:
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", box.connection())
        address = Notify(to="email", connection="mail", recipients=["a@example.org"])
        context = failed(ValueError("Größe\nBcc: x@y.z"))
        context["ti"].task_id = "é\nBcc: x@y.z"

        FailureNotifier("shop", address)(context)

    [mail] = box.mails
    assert mail["Subject"] == "shop: é Bcc: x@y.z failed in shop.ingest"
    assert mail["From"] == "nightshift@example.org"
    assert box.recipients == [["a@example.org"]]
    assert "ValueError: Größe Bcc: x@y.z" in smtp.body(mail)


@pytest.mark.parametrize(
    ("to", "module", "package"),
    [
        ("slack", "airflow.providers.slack.notifications.slack_webhook", "apache-airflow-providers-slack"),
        ("apprise", "airflow.providers.apprise.hooks.apprise", "apache-airflow-providers-apprise"),
    ],
)
def test_a_missing_provider_is_named(
    to: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning says what to install."""
    monkeypatch.setitem(sys.modules, module, None)

    FailureNotifier("shop", Notify(to=to, connection="chat"))(failed(ValueError("x")))

    assert f"notify: {to} needs the package {package}, which is not installed on the task's worker" in caplog.text


def test_slack_gets_its_own_markup(chat: webhook.Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message goes to the incoming webhook in the connection's password."""
    pytest.importorskip("airflow.providers.slack")
    monkeypatch.setenv("AIRFLOW_CONN_SLACK", json.dumps({"conn_type": "slackwebhook", "password": chat.url}))

    FailureNotifier("shop", Notify(to="slack", connection="slack"))(failed(ValueError("a < b")))

    [told] = chat.posted
    assert told["text"].startswith("*shop: sales.validate failed in shop.ingest*\nValueError: a &lt; b\n")


def test_apprise_gets_plain_text_and_its_failure_is_a_warning(
    chat: webhook.Webhook, closed_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each service of the connection gets the message; a service that does not answer is a warning."""
    pytest.importorskip("airflow.providers.apprise")
    services = [{"path": f"json://127.0.0.1:{port}{webhook.PATH}", "tag": "x"} for port in (chat.port, closed_port)]
    for name, config in (("BOTH", services), ("ONE", services[0])):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "apprise", "extra": {"config": config}}))

    FailureNotifier("shop", Notify(to="apprise", connection="one"))(failed(ValueError("a < b")))
    assert "was not notified" not in caplog.text
    FailureNotifier("shop", Notify(to="apprise", connection="both"))(failed(ValueError("a < b")))

    assert [each["title"] for each in chat.posted] == ["shop: sales.validate failed in shop.ingest"] * 2
    assert chat.posted[0]["message"].startswith("ValueError: a < b\n")
    assert "shop: apprise (connection 'both') was not notified: RuntimeError: Apprise could not deliver" in caplog.text
