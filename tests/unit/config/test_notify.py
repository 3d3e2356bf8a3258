"""Every mistake in `notify` is a sentence with its place and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.config.loader import read_pipeline
from tests.factories import SHOP_YAML, write_shop

if TYPE_CHECKING:
    from pathlib import Path

EMAIL = "{to: email, connection: mail, recipients: [a@example.org]}"


def test_nobody_is_notified_by_default(tmp_path: Path) -> None:
    """A pipeline without `notify` has an empty list."""
    pipeline, _ = read_pipeline(write_shop(tmp_path))

    assert pipeline is not None
    assert pipeline.notify == []


def test_a_recipient_receives_all_events_by_default(tmp_path: Path) -> None:
    """`events` narrows them down."""
    notify = f"notify:\n  - {EMAIL}\n  - {{to: slack, connection: chat, events: [verdict]}}\n"

    pipeline, mistakes = read_pipeline(write_shop(tmp_path, pipeline=SHOP_YAML + notify))

    assert mistakes == []
    assert pipeline is not None
    assert [each.events for each in pipeline.notify] == [
        ["verdict", "drift", "failure", "approval", "outage"],
        ["verdict"],
    ]


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        (EMAIL.replace("email", "mail", 1), "notify.0.to: there is no value 'mail'; did you mean 'email'?"),
        (EMAIL.replace("connection: mail", "conection: mail"), "did you mean 'connection'?"),
        ("{to: slack}", "notify.0.connection: this field is required and missing"),
        ("{to: email, connection: mail}", "notify.0: an email needs recipients, such as `recipients: [team@exa"),
        (EMAIL.replace("email", "slack", 1), "notify.0: only an email has recipients; the connection of slack has"),
        (EMAIL.replace("a@example.org", "a team"), "notify.0.recipients: 'a team' is not one email address; write"),
        (EMAIL.replace("a@example.org", '"a@b.c,d@e.f"'), "notify.0.recipients: 'a@b.c,d@e.f' is not one email"),
        ("{to: slack, connection: chat, events: [verdicts]}", "events.0: there is no value 'verdicts'; did you mean"),
        ("{to: slack, connection: chat, events: []}", "notify.0.events: at least one is needed, found none"),
        ("{to: slack, connection: chat, on: [verdict]}", "notify.0: the field is `events`, and not `on`"),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path: Path, item: str, sentence: str) -> None:
    """The sentence names the place and what was expected."""
    mistakes = read_pipeline(write_shop(tmp_path, pipeline=f"{SHOP_YAML}notify:\n  - {item}\n"))[1]

    assert [each for each in mistakes if sentence in each], mistakes


def test_the_address_of_a_webhook_is_not_repeated(tmp_path: Path) -> None:
    """An address in place of a connection's id must not appear in a log."""
    item = "{to: slack, connection: 'https://hooks.example/services/T0/B0/hunter2'}"

    [mistake] = read_pipeline(write_shop(tmp_path, pipeline=f"{SHOP_YAML}notify:\n  - {item}\n"))[1]

    assert "notify.0.connection: this is an address, and a connection's id is expected" in mistake
    assert "hunter2" not in mistake
