"""What arrives at a mail server and at a webhook when Airflow runs the DAGs."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests import factories
from tests.dags.conftest import ask_airflow, run_dags  # noqa: F401  the fixtures of whole runs
from tests.services import smtp, webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.dags.conftest import DagOutcome

    RunDags = Callable[..., list[DagOutcome]]

NOTIFY = """\
notify:
  - to: email
    connection: mail_of_the_team
    recipients: [ml-team@example.org, night-watch@example.org]
    events: [verdict, failure]
  - to: webhook
    connection: chat_of_the_team
"""


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[smtp.Mailbox]:
    """Run a mail server and connect it."""
    with smtp.serve() as box:
        monkeypatch.setenv("AIRFLOW_CONN_MAIL_OF_THE_TEAM", box.connection())
        yield box


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[webhook.Webhook]:
    """Run a webhook and connect it."""
    with webhook.serve() as hook:
        monkeypatch.setenv("AIRFLOW_CONN_CHAT_OF_THE_TEAM", hook.connection())
        yield hook


def test_a_verdict_and_a_failure_arrive_and_a_success_does_not(
    run_dags: RunDags,  # noqa: F811
    shop: Path,
    tmp_path: Path,
    mailbox: smtp.Mailbox,
    chat: webhook.Webhook,
) -> None:
    """The retraining's verdict and the ingestion's failure come by email and webhook; each once, with its link."""
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML + NOTIFY)
    broken = factories.sales()
    broken.loc[broken["day"] == "2024-03-21 00:00:00", "revenue"] = -1.0
    factories.write_sales(tmp_path / "shop.db", broken)

    good, retrained, bad = run_dags(
        ("shop.ingest", {"start": "2024-01-01", "end": "2024-03-20"}),
        ("shop.retrain", {"as_of": "2024-03-20", "tuning_seconds": 30, "dry_run": True}),
        ("shop.ingest", {"start": "2024-03-21", "end": "2024-03-21"}),
    )

    assert [good.state, retrained.state, bad.state] == ["success", "success", "failed"], retrained.log[-3000:]
    assert [mail["Subject"] for mail in mailbox.mails] == [
        "shop as of 2024-03-20: not promoted, verdict promote (nothing registered)",
        "shop: sales.validate failed in shop.ingest",
    ]
    assert mailbox.recipients == [["ml-team@example.org", "night-watch@example.org"]] * 2
    verdict, failure = map(smtp.body, mailbox.mails)
    assert "promote: mae" in verdict
    assert "challenger" in verdict
    assert "/dags/shop.retrain/runs/" in verdict
    assert "ExpectationsFailed: " in failure
    assert "column &#39;revenue&#39;" in failure
    assert "/dags/shop.ingest/runs/" in failure
    assert "/tasks/sales.validate" in failure

    assert chat.paths == [webhook.PATH] * 2
    assert {headers["Authorization"] for headers in chat.headers} == {f"Bearer {webhook.TOKEN}"}
    told, failed = chat.posted
    assert [told["event"], failed["event"]] == ["verdict", "failure"]
    assert told["facts"]["verdict"] == "promote"
    assert told["facts"]["challenger"] > 0
    assert failed["facts"]["task"] == "sales.validate"
    assert "ExpectationsFailed: " in failed["text"]
    for log, said in ((good.log, "announce_tables"), (retrained.log, "VERDICT"), (bad.log, "ExpectationsFailed")):
        assert said in log
        assert webhook.PATH not in log
        assert webhook.TOKEN not in log


def test_servers_that_are_down_change_nothing_but_the_log(
    run_dags: RunDags,  # noqa: F811
    shop: Path,
    tmp_path: Path,
    chat: webhook.Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The task keeps its own error, a warning names the address that failed, and the next address is notified."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("AIRFLOW_CONN_MAIL_OF_THE_TEAM", smtp.Mailbox(port).connection())
    monkeypatch.setenv("AIRFLOW_CONN_CHAT_OF_OTHERS", webhook.Webhook(port).connection())
    notify = NOTIFY.replace("  - to: webhook", "  - {to: webhook, connection: chat_of_others}\n  - to: webhook")
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML + notify)

    [outcome] = run_dags(("shop.retrain", {"as_of": "2024-03-20"}))

    assert outcome.tasks["plan_run"] == "failed"
    assert outcome.tasks["summarize_run"] == "upstream_failed"
    assert "NotIngested: " in outcome.log
    assert "shop: email (connection 'mail_of_the_team') was not notified: ConnectionRefusedError" in outcome.log
    assert "shop: webhook (connection 'chat_of_others') was not notified: ConnectionError" in outcome.log
    assert webhook.PATH not in outcome.log
    assert [each["facts"]["task"] for each in chat.posted] == ["plan_run"]
