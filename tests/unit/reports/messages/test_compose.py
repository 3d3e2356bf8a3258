"""The messages say what happened, and contain no secret."""

from __future__ import annotations

import json

import pytest

from include.core.redaction import hide_secrets
from include.evaluation.evidence import Opponent
from include.gate.verdict import Verdict
from include.reports.messages import (
    Link,
    approval_message,
    drift_message,
    failure_message,
    overdue_message,
    verdict_message,
)
from include.reports.messages.compose import MAX_ALERTS, MAX_ERROR, metric_table
from tests import factories

SUMMARY = {
    "verdict": "promote",
    "outcome": "PROMOTED: version 3 is the champion in place of version 2",
    "reason": "",
    "version": "3",
    "alias": "champion",
    "as_of": "2024-02-29",
}
VERDICT = Verdict("promote", "promote: roc_auc 0.7000 is better than the champion", [])
RUN = Link("Run", "http://airflow.example:8080/dags/shop.retrain/runs/night")


def test_a_verdict_has_its_reason_the_version_and_links() -> None:
    """The subject is enough for a hurried reader; the gate's own sentence follows the outcome."""
    evidence = factories.evidence()

    message = verdict_message("shop", SUMMARY | {"reason": VERDICT.reason}, evidence, VERDICT, [RUN])

    assert message.subject == "shop as of 2024-02-29: promoted (version 3, alias champion)"
    assert message.paragraphs == (
        "PROMOTED: version 3 is the champion in place of version 2.",
        f"{VERDICT.reason}.",
        "Registered: shop version 3, alias champion.",
    )
    assert message.facts["champion"] == evidence.champion.metrics["roc_auc"]
    assert message.links == (RUN,)


def test_a_verdict_that_promoted_nothing_says_so_in_the_subject() -> None:
    """A dry run registers nothing, and another run may overtake a promotion."""
    evidence = factories.evidence()
    outcome = "NOT PROMOTED: this is a dry run, which registers nothing (the verdict was promote)"
    summary = SUMMARY | {"outcome": outcome, "version": None, "alias": None}

    message = verdict_message("shop", summary, evidence, VERDICT)

    assert message.subject == "shop as of 2024-02-29: not promoted, verdict promote (nothing registered)"
    assert message.paragraphs == (f"{outcome}.", f"{VERDICT.reason}.")


def test_a_verdict_that_keeps_the_champion_has_its_reason_once() -> None:
    """The outcome contains the gate's sentence."""
    verdict = Verdict("keep", "keep (the champion stays version 2): GATE005 a tie", [])
    summary = SUMMARY | {"outcome": f"NOT PROMOTED: {verdict.reason}", "verdict": "keep", "alias": "challenger"}

    message = verdict_message("shop", summary, factories.evidence(), verdict)

    assert message.subject == "shop as of 2024-02-29: not promoted, verdict keep (version 3, alias challenger)"
    assert message.paragraphs == (f"NOT PROMOTED: {verdict.reason}.", "Registered: shop version 3, alias challenger.")


def test_the_table_has_the_gates_metric_first_and_no_champion_where_there_is_none() -> None:
    """An undefined metric is a dash in the table, and null for a program."""
    metrics = {"brier": 0.1234567, "roc_auc": float("nan")}
    evidence = factories.evidence(
        challenger=factories.challenger(metrics=metrics),
        champion=None,
        baseline=Opponent("prior", {"roc_auc": 0.5}, None),
    )

    assert metric_table(evidence).splitlines() == [
        "           challenger  no champion  baseline",
        "roc_auc *           -            -    0.5000",
        "brier          0.1235            -         -",
        "* the gate's metric, higher is better; 5,000 rows, 2024-02-01 to 2024-02-28",
    ]
    facts = verdict_message("shop", SUMMARY, evidence, VERDICT).facts
    assert (facts["challenger"], facts["champion"], facts["baseline"]) == (None, None, 0.5)
    json.dumps(facts, allow_nan=False)


def alert(name: str, value: float | None = 0.5) -> dict[str, object]:
    """Return an alert as the monitor returns it."""
    sentence = f"a stability index of {value}"
    return {"kind": "feature_shift", "name": name, "value": value, "limit": 0.25, "rows": 1280, "sentence": sentence}


def test_a_drift_message_has_every_alert_with_its_numbers() -> None:
    """The worst alert is in the subject; a missing value is a dash, and null for a program."""
    found = {"as_of": "2024-02-29", "version": 3, "alerts": [alert("visitors"), alert("store", None)]}

    message = drift_message("shop", found, [RUN])

    assert message.subject == "shop as of 2024-02-29: feature_shift visitors and 1 more"
    assert message.paragraphs[0] == "feature_shift visitors: a stability index of 0.5."
    assert message.table.splitlines() == [
        "                         value   limit   rows",
        "feature_shift visitors  0.5000  0.2500  1,280",
        "feature_shift store          -  0.2500  1,280",
    ]
    assert message.facts["alerts"][1] == {
        "kind": "feature_shift",
        "name": "store",
        "value": None,
        "limit": 0.25,
        "rows": 1280,
    }
    json.dumps(message.json(), allow_nan=False)


def test_many_alerts_are_only_in_the_table() -> None:
    """Many alerts do not become a page of sentences."""
    alerts = [alert(f"feature {number}") for number in range(MAX_ALERTS + 3)]

    message = drift_message("shop", {"as_of": "2024-02-29", "version": 3, "alerts": alerts})

    assert len(message.paragraphs) == MAX_ALERTS + 1
    assert message.paragraphs[-1] == "The table has 3 more."
    assert len(message.table.splitlines()) == 1 + len(alerts)


def test_a_failure_names_the_task_the_run_the_try_and_the_error() -> None:
    """An error over several lines becomes one line."""
    error = "SchemaMismatch: column 'revenue'\n  is text"

    message = failure_message("shop", "shop.ingest", "sales.validate", "manual__2024", 5, error, [RUN])

    assert message.subject == "shop: sales.validate failed in shop.ingest"
    assert message.paragraphs == (
        "SchemaMismatch: column 'revenue' is text",
        "Run manual__2024; try 5 was the last.",
    )
    assert message.facts == {
        "dag": "shop.ingest",
        "task": "sales.validate",
        "run": "manual__2024",
        "try": 5,
        "error": "SchemaMismatch: column 'revenue' is text",
    }


def test_a_task_that_was_killed_has_no_error() -> None:
    """The message says so instead of being empty."""
    message = failure_message("shop", "shop.ingest", "sales.extract", "night", 1, None)

    assert "The task left no error: its process was killed" in message.paragraphs[0]
    assert message.facts["error"] is None


def test_a_long_error_is_cut() -> None:
    """The log has all of it."""
    message = failure_message("shop", "shop.ingest", "sales.extract", "night", 1, "x" * 5000)

    assert message.paragraphs[0] == "x" * MAX_ERROR + " ..."


@pytest.mark.parametrize(
    ("reason", "words"), [("timed_out", "dagrun_timeout"), ("all_tasks_deadlocked", "can ever start")]
)
def test_a_run_that_airflow_ended_has_the_reason(reason: str, words: str) -> None:
    """No task failed, so the message names the run."""
    message = overdue_message("shop", "shop.retrain", "night", reason)

    assert message.subject == "shop: a run of shop.retrain failed"
    assert words in message.paragraphs[0]
    assert message.event == "failure"


def test_an_approval_has_its_question_deadline_and_default() -> None:
    """The table stands without the fences that Airflow's page needs."""
    body = "Instead of version 2:\n\n```text\nVERDICT  promote\n```\n"

    message = approval_message("shop", "May it?", body, "Reject", "2024-03-01T06:00:00+00:00", [RUN])

    assert message.paragraphs == ("May it?", "If nobody answers until 2024-03-01T06:00:00+00:00, the answer is Reject.")
    assert message.table == "Instead of version 2:\n\nVERDICT  promote"
    assert approval_message("shop", "May it?", "", "", None).paragraphs[1] == "There is no deadline."


@pytest.mark.parametrize(
    "error",
    [
        "OperationalError: cannot reach postgresql://reader:hunter2@db.example/shop",
        "connect failed: host=db password=hunter2 dbname=shop",
        "KafkaError: {'sasl.password': 'hunter2', 'group.id': 'x'}",
        '401 for {"api_key": "hunter2"}',
        "GET https://api.example/x?token=hunter2&page=2 answered 500",
        "header Authorization: Bearer hunter2 was refused",
        "refused: aws_secret_access_key=hunter2 is wrong",
    ],
)
def test_no_message_has_a_secret_of_an_error(error: str) -> None:
    """Passwords, keys and tokens are removed; the text around them stays."""
    message = failure_message("shop", "shop.ingest", "sales.extract", "night", 1, error)

    for shown in (message.plain(), message.html(), message.slack(), json.dumps(message.json())):
        assert "hunter2" not in shown
    assert message.paragraphs[0].split()[0] == error.split()[0]


def test_an_ordinary_sentence_is_unchanged() -> None:
    """Words that only look like the name of a secret hide nothing."""
    sentence = "ExpectationsFailed: column 'tokens': 5 of 10 rows; the key is store_day, see http://airflow:8080/x"

    assert hide_secrets(sentence) == sentence
