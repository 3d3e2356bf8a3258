"""Decides from when on the rows of a feature table can differ from those that its last build made.

It rests on what a pipeline with `features.lookback_days` promises: a feature of a row asked at p reads raw rows
with `available_at` <= p only, and of no older partition than p - lookback_days; its label reads no later
partition than p + lookback_days, and is either null or settled after `training.gap_days`, unless partitions
that it was made of are replaced. `prove-features` holds the features to it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.core.as_of import end_of, midnight
from include.features.lineage import own_sources
from include.features.macros import MACROS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.config.pipeline import Pipeline
    from include.lake import DayChange, PinnedTable

#: Raised where the same query, macros and raw rows make other features than before, so that all are built anew.
MADE_BY = 2


@dataclass(frozen=True)
class Base:
    """What the newest build of a feature table says of itself.

    Attributes
    ----------
    definition
        Digest of what rows follow from, beside the raw rows.
    as_of
        The day at whose end everything was known that was read.
    first_day
        The day of the oldest rows that hold.
    snapshot, tables
        Version and identity of each source's raw table.
    unlabelled_since
        The oldest `prediction_time` without a label, of those that are younger than the lookback.
    types
        The Arrow type of each column, by name.
    """

    definition: str
    as_of: date
    first_day: date
    snapshot: dict[str, int]
    tables: dict[str, str]
    unlabelled_since: datetime | None
    types: dict[str, str]

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> Base | None:
        """Return what a commit says, or None where it says too little, or in other words, as other releases do."""
        try:
            null = about["unlabelled_since"]
            return cls(
                about["definition"],
                date.fromisoformat(about["as_of"]),
                date.fromisoformat(about["first_day"]),
                about["snapshot"],
                about["tables"],
                datetime.fromisoformat(null) if null else None,
                about["types"],
            )
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def known_before(self) -> datetime:
        """The end of its last day."""
        return end_of(self.as_of)


@dataclass(frozen=True)
class Affected:
    """The rows to build: those from `since` on, or, where that is None, all of them, and why."""

    since: datetime | None
    why: str = ""


def defined_by(pipeline: Pipeline) -> list[Any]:
    """Return what the rows follow from, beside the raw rows and the day."""
    features = pipeline.features
    late = {
        name: [source.label_known_after.delay.total_seconds(), sorted(pipeline.late_columns(name))]
        for name, source in pipeline.sources.items()
        if source.label_known_after
    }
    return [
        MADE_BY,
        MACROS.read_text(encoding="utf-8"),
        pipeline.text(features.query),
        [features.key, features.label, features.lookback_days, pipeline.history_days],
        [features.automated.model_dump(mode="json"), sorted(own_sources(pipeline))] if features.automated else None,
        {name: source.arrives for name, source in pipeline.sources.items()},
        *([late] if late else []),
    ]


def digest(made_from: list[Any]) -> str:
    """Return a short digest of JSON types."""
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]


def why_all(pipeline: Pipeline, base: Base | None, definition: str, first_day: date, as_of: date) -> str | None:
    """Return why no rows of an earlier build can be used again, as a clause, or None."""
    features, window_days = pipeline.features, pipeline.training.window_days
    if features.lookback_days is None:
        return "features.lookback_days is not set"
    if pipeline.training.deterministic:
        return "training.deterministic asks for the last bit, and sums of floats depend on what else is read"
    if window_days + features.lookback_days > pipeline.history_days:
        return (
            f"history_days ({pipeline.history_days}) is less than training.window_days ({window_days}) and "
            f"features.lookback_days ({features.lookback_days}) together, so the oldest rows have another history "
            "each night"
        )
    if base is None:
        return "no build is there to go on from"
    if base.definition != definition:
        return "the features are defined otherwise than in the last build"
    if base.as_of > as_of:
        return f"the last build is as of {base.as_of}, which is later"
    if base.first_day > first_day:
        return f"the last build begins on {base.first_day}, which is later"
    return None


def find_affected(
    pipeline: Pipeline, base: Base, tables: Mapping[str, PinnedTable], first_day: date, as_of: date
) -> Affected:
    """Return the rows that can differ from those of `base`, of those from `first_day` on."""
    lookback = timedelta(days=pipeline.features.lookback_days or 0)
    since = [base.known_before, base.known_before - timedelta(days=pipeline.training.gap_days)]
    if base.unlabelled_since:
        since.append(base.unlabelled_since)
    for name, table in tables.items():
        if table.identity != base.tables[name]:
            return Affected(None, f"'{name}' is another table than the one that the last build read")
        changes = table.changes_since(base.snapshot[name])
        if changes is None:
            return Affected(None, f"what changed in '{name}' since the last build cannot be told")
        if pipeline.sources[name].arrives == "snapshot":
            if any(each.known_from and each.known_from < base.known_before for each in changes):
                return Affected(None, f"rows of the snapshot '{name}' changed that were known before")
        else:
            since += _reached(changes, first_day - lookback, lookback)
    oldest = max(midnight(min(since).date()), midnight(first_day))
    days = (as_of - oldest.date()).days + 1
    if 2 * days > (as_of - first_day).days + 1:
        return Affected(None, f"the rows of {days} of the window's days can differ from those of the last build")
    return Affected(oldest)


def _reached(changes: Iterable[DayChange], oldest: date, lookback: timedelta) -> Iterable[datetime]:
    """Yield the oldest times whose rows the changes of a source reach."""
    for change in changes:
        day = date.fromisoformat(change.ds)
        if day < oldest:
            continue
        yield midnight(day)
        if change.known_from:
            yield change.known_from
        if change.replaced:
            yield midnight(day - lookback)
