"""A week of the shop in Airflow: what the DAGs do, and what arrives at a mail server and at a webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from include import lake
from tests import factories
from tests.services import smtp, webhook

if TYPE_CHECKING:
    from collections.abc import Callable
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


@dataclass(frozen=True)
class Week:
    """Three runs, the home that they left, and the servers that were notified."""

    ingested: DagOutcome
    retrained: DagOutcome
    failed: DagOutcome
    home: Path
    mailbox: smtp.Mailbox
    chat: webhook.Webhook


@pytest.fixture(scope="module")
def week(run_dags: RunDags, tmp_path_factory: pytest.TempPathFactory) -> Week:
    """Ingest the shop's days, retrain without registering, and ingest two days of which the first breaks its suite."""
    folder = tmp_path_factory.mktemp("week")
    broken = factories.sales()
    broken.loc[broken["day"] == "2024-03-21 00:00:00", "revenue"] = -1.0
    with factories.shop_in(folder) as home, smtp.serve() as mailbox, webhook.serve() as chat:
        factories.write_shop(folder / "pipelines", pipeline=factories.SHOP_YAML + NOTIFY)
        factories.write_sales(folder / "shop.db", broken)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW_CONN_MAIL_OF_THE_TEAM", mailbox.connection())
            patch.setenv("AIRFLOW_CONN_CHAT_OF_THE_TEAM", chat.connection())
            runs = run_dags(
                ("shop.ingest", {"start": "2024-01-01", "end": "2024-03-20"}),
                ("shop.retrain", {"as_of": "2024-03-20", "tuning_seconds": 30, "dry_run": True}),
                ("shop.ingest", {"start": "2024-03-21", "end": "2024-03-22"}),
            )
        return Week(*runs, home, mailbox, chat)


def test_a_dry_run_registers_nothing(week: Week) -> None:
    """The verdict is there with a link to the page of the features, and MLflow has no model."""
    assert [week.ingested.state, week.retrained.state] == ["success", "success"], week.retrained.log[-3000:]
    assert "NOT PROMOTED: this is a dry run, which registers nothing (the verdict was promote)" in week.retrained.log
    assert "VERDICT  promote" in week.retrained.log
    assert "Features: http://localhost:8080/nightshift/features/shop" in week.retrained.log


def test_a_failed_expectation_stops_before_anything_is_published(week: Week, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log names column, expectation and count; nothing is published, and nothing downstream runs."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(week.home))

    assert week.failed.state == "failed"
    assert week.failed.tasks["sales.validate"] == "failed"
    assert week.failed.tasks["sales.publish"] == week.failed.tasks["announce_tables"] == "upstream_failed"
    assert "column 'revenue': expect_column_values_to_be_between" in week.failed.log
    assert "failed for 5 of 10 rows" in week.failed.log
    assert max(lake.partitions(lake.raw_uri("shop", "sales"))) == "2024-03-20"


def test_a_verdict_and_a_failure_arrive_by_email_and_a_success_does_not(week: Week) -> None:
    """The retraining's verdict and the ingestion's failure are each sent once, with their links."""
    assert [mail["Subject"] for mail in week.mailbox.mails] == [
        "shop as of 2024-03-20: not promoted, verdict promote (nothing registered)",
        "shop: sales.validate failed in shop.ingest",
    ]
    assert week.mailbox.recipients == [["ml-team@example.org", "night-watch@example.org"]] * 2
    verdict, failure = map(smtp.body, week.mailbox.mails)
    assert "promote: mae" in verdict
    assert "challenger" in verdict
    assert "/dags/shop.retrain/runs/" in verdict
    assert "ExpectationsFailed: " in failure
    assert "column &#39;revenue&#39;" in failure
    assert "/dags/shop.ingest/runs/" in failure
    assert "/tasks/sales.validate" in failure


def test_a_verdict_and_a_failure_arrive_at_a_webhook_and_a_success_does_not(week: Week) -> None:
    """Each is sent once, with its facts, and no log has the webhook's token."""
    assert week.chat.paths == [webhook.PATH] * 2
    assert {headers["Authorization"] for headers in week.chat.headers} == {f"Bearer {webhook.TOKEN}"}
    told, failed = week.chat.posted
    assert [told["event"], failed["event"]] == ["verdict", "failure"]
    assert told["facts"]["verdict"] == "promote"
    assert told["facts"]["challenger"] > 0
    assert failed["facts"]["task"] == "sales.validate"
    assert "ExpectationsFailed: " in failed["text"]
    for outcome, said in (
        (week.ingested, "announce_tables"),
        (week.retrained, "VERDICT"),
        (week.failed, "ExpectationsFailed"),
    ):
        assert said in outcome.log
        assert webhook.PATH not in outcome.log
        assert webhook.TOKEN not in outcome.log


def test_servers_that_are_down_change_nothing_but_the_log(
    run_dags: RunDags, shop: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task keeps its own error, a warning names the address that failed, and the next address is notified."""
    monkeypatch.setenv("AIRFLOW_CONN_MAIL_OF_THE_TEAM", smtp.Mailbox(closed_port).connection())
    monkeypatch.setenv("AIRFLOW_CONN_CHAT_OF_OTHERS", webhook.Webhook(closed_port).connection())
    notify = NOTIFY.replace("  - to: webhook", "  - {to: webhook, connection: chat_of_others}\n  - to: webhook")
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML + notify)

    with webhook.serve() as chat:
        monkeypatch.setenv("AIRFLOW_CONN_CHAT_OF_THE_TEAM", chat.connection())
        [outcome] = run_dags(("shop.retrain", {"as_of": "2024-03-20"}))

    assert outcome.tasks["plan_run"] == "failed"
    assert outcome.tasks["summarize_run"] == "upstream_failed"
    assert "NotIngested: " in outcome.log
    assert "shop: email (connection 'mail_of_the_team') was not notified: ConnectionRefusedError" in outcome.log
    assert "shop: webhook (connection 'chat_of_others') was not notified: ConnectionError" in outcome.log
    assert webhook.PATH not in outcome.log
    assert [each["facts"]["task"] for each in chat.posted] == ["plan_run"]
