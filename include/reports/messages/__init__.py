"""The messages about a run: subject, text, table and links; sending them is not done here."""

from include.reports.messages.compose import (
    approval_message,
    drift_message,
    failure_message,
    outage_message,
    overdue_message,
    verdict_message,
)
from include.reports.messages.message import Link, Message

__all__ = [
    "Link",
    "Message",
    "approval_message",
    "drift_message",
    "failure_message",
    "outage_message",
    "overdue_message",
    "verdict_message",
]
