"""A message in its parts, and how each kind of address shows them."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.core.html_page import render_html

if TYPE_CHECKING:
    from include.config.notify import Event

#: Slack cuts a longer text in two, through the middle of a table.
SLACK_TEXT = 3800


@dataclass(frozen=True)
class Link:
    """An address, and what is there."""

    label: str
    address: str


@dataclass(frozen=True)
class Message:
    """What is told of one event.

    Attributes
    ----------
    subject
        One line.
    paragraphs
        What happened, in sentences.
    table
        Plain text whose columns stand below each other; may be empty.
    facts
        The same for a program that reads it: JSON types by name.
    """

    event: Event
    pipeline: str
    subject: str
    paragraphs: tuple[str, ...]
    table: str = ""
    links: tuple[Link, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> str:
        """Return the text without the subject."""
        links = "\n".join(f"{link.label}: {link.address}" for link in self.links)
        return "\n\n".join(part for part in (*self.paragraphs, self.table, links) if part)

    def html(self) -> str:
        """Return the text without the subject, for an email."""
        return render_html("reports/templates/email.html.jinja", message=self)

    def slack(self) -> str:
        """Return subject and text in Slack's markup, in which &, < and > are signs."""
        parts = [f"*{_for_slack(self.subject)}*", *map(_for_slack, self.paragraphs)]
        links = [f"<{link.address}|{_for_slack(link.label)}>" for link in self.links]
        room = SLACK_TEXT - sum(map(len, parts + links))
        if self.table:
            table = _for_slack(self.table)
            shown = table if len(table) <= room else table[: max(room, 0)].rpartition("\n")[0] + "\n..."
            parts.append(f"```\n{shown}\n```")
        return "\n".join([*parts, *links])

    def json(self) -> dict[str, Any]:
        """Return all of it as JSON types; `text` is what chat servers show of it."""
        return {
            "event": self.event,
            "pipeline": self.pipeline,
            "subject": self.subject,
            "text": f"{self.subject}\n\n{self.plain()}",
            "links": {link.label: link.address for link in self.links},
            "facts": self.facts,
        }


def _for_slack(text: str) -> str:
    return html.escape(text, quote=False)
