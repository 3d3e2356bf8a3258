"""The record of a build, which the commit of a feature table carries for the next build."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from include.core.as_of import end_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.core.json_value import JsonValue


@dataclass(frozen=True)
class BuildRecord:
    """What one build of a feature table was made from.

    Attributes
    ----------
    definition
        Digest of everything but the raw rows that the rows depend on.
    as_of
        The build read what was known at the end of this day.
    first_day
        The day of the oldest rows that count.
    snapshot, tables
        Version and identity of each source's raw table.
    unlabelled_since
        The oldest `prediction_time` without a label among the rows within the lookback.
    types
        The Arrow type of each column, by name.
    rows, labelled_rows
        Rows in the window, and those of them with a known label.
    """

    definition: str
    as_of: date
    first_day: date
    snapshot: dict[str, int]
    tables: dict[str, str]
    unlabelled_since: datetime | None
    types: dict[str, str]
    rows: int
    labelled_rows: int

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> BuildRecord | None:
        """Return the record in a commit, or None if the commit of another release lacks a part of it."""
        try:
            unlabelled = fields["unlabelled_since"]
            return cls(
                definition=fields["definition"],
                as_of=date.fromisoformat(fields["as_of"]),
                first_day=date.fromisoformat(fields["first_day"]),
                snapshot=fields["snapshot"],
                tables=fields["tables"],
                unlabelled_since=datetime.fromisoformat(unlabelled) if unlabelled else None,
                types=fields["types"],
                rows=fields["rows"],
                labelled_rows=fields["labelled_rows"],
            )
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields as JSON types."""
        return {
            **vars(self),
            "as_of": self.as_of.isoformat(),
            "first_day": self.first_day.isoformat(),
            "unlabelled_since": self.unlabelled_since.isoformat() if self.unlabelled_since else None,
        }

    @property
    def known_before(self) -> datetime:
        """The end of the build's last day."""
        return end_of(self.as_of)
