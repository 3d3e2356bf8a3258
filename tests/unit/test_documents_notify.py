"""The page on notifications says what is so: its blocks are valid, and its messages are the code's."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import get_args

import yaml

from include.config.notify import Event, Kind
from include.config.pipeline import Pipeline
from include.core import settings
from include.evaluation.evidence import HoldoutSummary, Opponent
from include.gate.verdict import Verdict
from include.reports.messages import Link, approval_message, failure_message, verdict_message
from tests import factories

PAGE = (settings.root() / "docs" / "how-to" / "be-notified.md").read_text(encoding="utf-8")
#: Airflow's type of the connection of each kind.
TYPES = {"email": "smtp", "slack": "slackwebhook", "webhook": "http", "apprise": "apprise"}


def blocks(language: str) -> list[str]:
    """Return the page's blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_kind_has_yaml_that_loads_and_the_connection_that_it_names() -> None:
    """Each item of the YAML is valid, and its connection is printed with the type that its kind needs."""
    items = [item for block in blocks("yaml") for item in yaml.safe_load(block)["notify"]]
    pipeline = Pipeline.model_validate(yaml.safe_load(factories.SHOP_YAML) | {"notify": items})
    printed = re.findall(r"`AIRFLOW_CONN_(\w+)`\n\n```json\n(.*?)```", PAGE, re.DOTALL)
    connections = {name.lower(): json.loads(text)["conn_type"] for name, text in printed}

    assert {each.to for each in pipeline.notify} == set(get_args(Kind))
    assert {each.connection: TYPES[each.to] for each in pipeline.notify} == connections


def test_every_event_is_explained() -> None:
    """The table has a row for each event, and none that does not exist."""
    assert tuple(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE)) == get_args(Event)


def test_the_failure_of_the_page_is_what_a_webhook_gets() -> None:
    """The document is made of its facts."""
    shown = json.loads(blocks("json")[-1])
    facts = shown["facts"]

    links = [Link(label, address) for label, address in shown["links"].items()]
    message = failure_message("shop", facts["dag"], facts["task"], facts["run"], facts["try"], facts["error"], links)

    assert message.json() == shown


def test_the_verdict_of_the_page_is_the_text_of_an_email() -> None:
    """The reason, the version, the table and the link stand as the code lays them out."""
    [shown] = blocks("text")
    [subject] = re.findall(r"Its subject is `(.*?)`", PAGE)
    rows = [line.replace(" *", "").split() for line in shown.splitlines() if re.match(r"\w+( \*)? +[\d.]+ ", line)]
    evidence = factories.evidence(
        metric="mae",
        higher_is_better=False,
        holdout=HoldoutSummary(date(2024, 3, 6), date(2024, 3, 19), rows=70, days=14, label_mean=1.0),
        challenger=factories.challenger(metrics={name: float(value) for name, value, _, _ in rows}),
        champion=None,
        baseline=Opponent("prior", {name: float(value) for name, _, _, value in rows}, None),
    )
    outcome, _, reason, *_ = (line.removesuffix(".") for line in shown.splitlines())
    summary = {
        "verdict": "promote",
        "outcome": outcome,
        "reason": reason,
        "version": 1,
        "alias": "champion",
        "as_of": "2024-03-20",
    }

    link = Link("Run", re.findall(r"^Run: (.*)$", shown, re.MULTILINE)[0])
    message = verdict_message("shop", summary, evidence, Verdict("promote", reason, []), [link])

    assert len(rows) == 6
    assert message.subject == subject
    assert f"{message.plain()}\n" == shown
    names = set(re.findall(r"`(\w+)`", PAGE.partition("The facts of a verdict are")[2].partition("An approval")[0]))
    assert names == {*message.facts, *approval_message("shop", "", "", "", None).facts}
