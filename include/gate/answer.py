"""A person's answer to the question whether a version may become the champion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  pydantic reads the fields

from include.core.json_document import JsonDocument


@dataclass(frozen=True)
class Answer(JsonDocument):
    """A person's answer to the question whether a version may become the champion; `approval.json` holds it.

    Attributes
    ----------
    by
        None where nobody answered in time.
    """

    approved: bool
    by: str | None
    reason: str
    at: datetime

    @property
    def approver(self) -> str | None:
        """Who approved; None where the answer is a rejection."""
        return self.by if self.approved else None

    @property
    def sentence(self) -> str:
        """The answer in words."""
        said = "approved" if self.approved else "rejected"
        if self.by is None:
            return f"{said} at {self.at.isoformat()}, since nobody answered in time"
        return f"{said} by {self.by} at {self.at.isoformat()}" + (f": {self.reason}" if self.reason else "")
