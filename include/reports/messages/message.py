"""A message, and its form for each kind of recipient: plain text, email, Slack and webhook."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.core.html_page import render_html

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.config.notify import Event
    from include.core.json_value import JsonValue

#: Slack splits longer texts, even in the middle of a table.
SLACK_TEXT = 3800


@dataclass(frozen=True)
class Link:
    """An address with a label."""

    label: str
    address: str


@dataclass(frozen=True)
class Message:
    """A message about one event.

    Attributes
    ----------
    subject
        One line.
    paragraphs
        Sentences about the event.
    table
        Plain text with aligned columns; may be empty.
    facts
        The same content for programs.
    """

    event: Event
    pipeline: str
    subject: str
    paragraphs: tuple[str, ...]
    table: str = ""
    links: tuple[Link, ...] = ()
    facts: Mapping[str, JsonValue] = field(default_factory=dict)

    def plain(self) -> str:
        """Return the text without the subject."""
        links = "\n".join(f"{link.label}: {link.address}" for link in self.links)
        return "\n\n".join(part for part in (*self.paragraphs, self.table, links) if part)

    def html(self) -> str:
        """Return the text without the subject, as the HTML of an email."""
        return render_html("reports/templates/email.html.jinja", message=self)

    def slack(self) -> str:
        """Return subject and text in Slack's markup, where &, < and > are special characters."""
        parts = [f"*{_for_slack(self.subject)}*", *map(_for_slack, self.paragraphs)]
        links = [f"<{link.address}|{_for_slack(link.label)}>" for link in self.links]
        room = SLACK_TEXT - sum(map(len, parts + links))
        if self.table:
            table = _for_slack(self.table)
            shown = table if len(table) <= room else table[: max(room, 0)].rpartition("\n")[0] + "\n..."
            parts.append(f"```\n{shown}\n```")
        return "\n".join([*parts, *links])

    def json(self) -> dict[str, JsonValue]:
        """Return the message as JSON types; chat servers show the field `text`."""
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
