"""Which days of a pipeline's sources are published, and which are missing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from include import lake
from include.ingestion.days import days_between

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def published_through(pipeline: Pipeline) -> date | None:
    """Return the last day that every daily source has published, or None if one has published none."""
    last = []
    for name in pipeline.daily_sources:
        found = _LAST_DAYS[pipeline.sources[name].slice_column].of(lake.raw_uri(pipeline.name, name))
        if found is None:
            return None
        last += found  # a source whose days were all empty so far does not limit the result
    return min(last, default=None)


def _last_published_days(raw: lake.RawTable, column: str) -> list[date]:
    """Return the last day that is published without a gap after the last day with rows, if any day has rows."""
    with_rows = raw.partitions(column)
    return [_with_empty_days_after(raw, date.fromisoformat(max(with_rows)))] if with_rows else []


def _known_last_days(column: str) -> lake.NewestFacts[list[date]]:
    return lake.NewestFacts(lambda table: _last_published_days(lake.RawTable.of(table), column))


#: The last published day of every table that this process has asked for, by the column with the day.
_LAST_DAYS = {column: _known_last_days(column) for column in ("ds", "delivered")}


def newest_day(pipeline: Pipeline) -> date | None:
    """Return the last day for which every daily source has rows, or None if one has none."""
    newest = []
    for name in pipeline.daily_sources:
        raw = lake.RawTable(lake.raw_uri(pipeline.name, name)).refresh()
        newest.append(raw.newest_partition(pipeline.sources[name].slice_column))
    return min((date.fromisoformat(each.ds) for each in newest if each), default=None) if all(newest) else None


def _with_empty_days_after(raw: lake.RawTable, day: date) -> date:
    """Return the last day that is published without a gap after a given day."""
    while raw.published_at([(day + timedelta(days=1)).isoformat()]):
        day += timedelta(days=1)
    return day


def missing_range(pipeline: Pipeline, as_of: date) -> tuple[date, date] | None:
    """Return the range of days to ingest so that no day up to `as_of` is missing, or None.

    If no day of the last `history_days` is published, the range is all of them.
    """
    start = as_of - timedelta(days=pipeline.history_days - 1)
    window = days_between(start, as_of)
    missing: set[str] = set()
    for name in pipeline.daily_sources:
        days = published_days(pipeline, name, window)
        first = min(days, default=window[0])  # days before a source's first day are not missing
        missing |= {ds for ds in window if ds >= first and ds not in days}
    if not missing:
        return None
    return date.fromisoformat(min(missing)), date.fromisoformat(max(missing))


def published_days(pipeline: Pipeline, name: str, days: list[str]) -> set[str]:
    """Return which of some days a source has published, with or without rows."""
    raw = lake.RawTable(lake.raw_uri(pipeline.name, name)).refresh()
    with_rows = raw.partitions(pipeline.sources[name].slice_column, set(days)).keys()
    return with_rows | raw.published_at(set(days) - with_rows).keys()
