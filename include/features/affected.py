"""Decides which rows of a feature table can differ from those of its last build.

It relies on the promises of a pipeline with `features.lookback_days`. A feature of a row with prediction time p reads
only raw rows with `available_at` <= p, from partitions no older than p - lookback_days. Its label reads no partition
later than p + lookback_days, and is either null or final after `training.gap_days`, unless partitions that it reads
are replaced. The leakage check (`prove-features`) verifies the promises about features.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from include.core.as_of import midnight
from include.features.lineage import own_sources
from include.features.macros import MACROS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from include.config.pipeline import Pipeline
    from include.features.build_record import BuildRecord
    from include.lake import DayChange, PinnedTable

#: Increased when a release builds other features from the same query, macros and raw rows, so that all are rebuilt.
BUILD_VERSION = 2


@dataclass(frozen=True)
class Affected:
    """The rows to build: those from `since` on; if it is None, all rows, and the reason."""

    since: datetime | None
    why: str = ""


def defined_by(pipeline: Pipeline) -> list[Any]:
    """Return everything that the rows depend on, except the raw rows and the day."""
    features = pipeline.features
    late = {
        name: [source.label_known_after.delay.total_seconds(), sorted(pipeline.late_columns(name))]
        for name, source in pipeline.sources.items()
        if source.label_known_after
    }
    return [
        BUILD_VERSION,
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


def why_rebuild_all(
    pipeline: Pipeline, base: BuildRecord | None, definition: str, first_day: date, as_of: date
) -> str | None:
    """Return the clause why no rows of the last build can be reused, or None if they can."""
    features, window_days = pipeline.features, pipeline.training.window_days
    if features.lookback_days is None:
        return "features.lookback_days is not set"
    if pipeline.training.deterministic:
        return "training.deterministic needs identical bits, and sums of floats depend on the other rows that are read"
    if window_days + features.lookback_days > pipeline.history_days:
        return (
            f"history_days ({pipeline.history_days}) is less than training.window_days ({window_days}) and "
            f"features.lookback_days ({features.lookback_days}) together, so the history of the oldest rows changes "
            "each night"
        )
    if base is None:
        return "there is no earlier build to reuse"
    if base.definition != definition:
        return "the definition of the features changed since the last build"
    if base.as_of > as_of:
        return f"the last build is as of {base.as_of}, which is later"
    if base.first_day > first_day:
        return f"the last build begins on {base.first_day}, which is later"
    return None


def find_affected(
    pipeline: Pipeline, base: BuildRecord, tables: Mapping[str, PinnedTable], first_day: date, as_of: date
) -> Affected:
    """Return the rows from `first_day` on that can differ from those of the last build, `base`."""
    lookback = timedelta(days=pipeline.features.lookback_days or 0)
    since = [base.known_before, base.known_before - timedelta(days=pipeline.training.gap_days)]
    if base.unlabelled_since:
        since.append(base.unlabelled_since)
    for name, table in tables.items():
        if table.identity != base.tables[name]:
            return Affected(None, f"the table '{name}' was created anew since the last build")
        changes = table.changes_since(base.snapshot[name])
        if changes is None:
            return Affected(None, f"the changes of '{name}' since the last build are unknown")
        if pipeline.sources[name].arrives == "snapshot":
            if any(each.known_from and each.known_from < base.known_before for each in changes):
                return Affected(None, f"rows of the snapshot '{name}' changed that the last build had read")
        else:
            since += _earliest_reached(changes, first_day - lookback, lookback)
    oldest = max(midnight(min(since).date()), midnight(first_day))
    days = (as_of - oldest.date()).days + 1
    if 2 * days > (as_of - first_day).days + 1:
        return Affected(None, f"{days} days of the window can differ from the last build")
    return Affected(oldest)


def _earliest_reached(changes: Iterable[DayChange], oldest: date, lookback: timedelta) -> Iterable[datetime]:
    """Yield, for each change of a source, the oldest prediction times that can read it."""
    for change in changes:
        day = date.fromisoformat(change.ds)
        if day < oldest:
            continue
        yield midnight(day)
        if change.known_from:
            yield change.known_from
        if change.replaced:
            yield midnight(day - lookback)
