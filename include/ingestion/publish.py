"""Publish: a staged and validated batch becomes the lake's partitions of its days."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from include import lake
from include.ingestion.extract import StagedBatch, days_between, read_batch

if TYPE_CHECKING:
    import pyarrow as pa

    from include.config import Pipeline, Source

log = logging.getLogger(__name__)


def publish_batch(pipeline: Pipeline, batch: StagedBatch) -> lake.TableVersion:
    """Replace the batch's days in the source's raw table, in one commit.

    A batch that is already published, or a snapshot that has not changed since the last one, changes
    nothing.

    Raises
    ------
    PublishConflict, LakeError
        With the table as it was before.
    """
    source = pipeline.sources[batch.source]
    uri = lake.raw_uri(pipeline.name, batch.source)
    if source.arrives == "snapshot":
        there = lake.partitions(uri)
        earlier = [part for ds, part in there.items() if ds < batch.end]
        if any(ds > batch.end for ds in there):
            # what is delivered now was not known then, and a later snapshot tells it already
            return _unchanged(uri, batch, f"a snapshot of {max(there)}, later than {batch.end}, is published")
        if earlier and earlier[-1].batch == batch.digest and batch.end not in there:
            return _unchanged(uri, batch, f"the snapshot has not changed since {earlier[-1].ds}")
        rows = _snapshot_rows(read_batch(batch), source, batch.end, first=not earlier)
    else:
        rows = _with_available_at(read_batch(batch), source)
    # first, since a table keeps statistics of its first 32 columns only, and the batch of a day is read from them
    rows = rows.add_column(0, "batch", _constant(batch.digest, rows.num_rows))
    published = lake.replace_partitions(uri, rows, batch.start, batch.end, batch.digest)
    state = "published" if published.changed else "already published"
    log.info(
        "%s: %s rows of %s to %s %s, version %s of %s",
        *(batch.source, f"{batch.rows:,}", batch.start, batch.end, state, published.version, uri),
    )
    return published


def published_through(pipeline: Pipeline) -> date | None:
    """Return the last day that every daily source has, or None where one has no day yet."""
    last = []
    for name in pipeline.daily_sources:
        days = lake.partitions(lake.raw_uri(pipeline.name, name))
        if not days:
            return None
        last.append(date.fromisoformat(max(days)))
    return min(last)


def missing_range(pipeline: Pipeline, as_of: date) -> tuple[date, date] | None:
    """Return the range of days to ingest so that no day up to `as_of` is missing, or None.

    A pipeline without any day in the last `history_days` is to be ingested from their beginning.
    """
    start = as_of - timedelta(days=pipeline.history_days - 1)
    window = days_between(start, as_of)
    missing: set[str] = set()
    for name in pipeline.daily_sources:
        days = lake.partitions(lake.raw_uri(pipeline.name, name)).keys() & set(window)
        first = min(days, default=window[0])  # days before a source's first one are not missing
        if pipeline.sources[name].rows_per_day.min == 0:
            first = max(days, default=window[0])  # nor are empty ones between, where a day may be empty
        missing |= {ds for ds in window if ds >= first and ds not in days}
    if not missing:
        return None
    return date.fromisoformat(min(missing)), date.fromisoformat(max(missing))


def _unchanged(uri: str, batch: StagedBatch, reason: str) -> lake.TableVersion:
    log.info("%s: %s; nothing to publish", batch.source, reason)
    version = lake.latest_version(uri)
    assert version is not None, "a table with partitions has a version"
    return lake.TableVersion(uri, version, batch.rows, changed=False)


def _with_available_at(rows: pa.Table, source: Source) -> pa.Table:
    """Add `available_at`, the time at which a row became known: the declared column plus its delay."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column, delay = source.available_at.column, source.available_at.delay
    known = pc.add(rows[column], pa.scalar(delay, pa.duration("us"))) if delay else rows[column]
    if column == "available_at":
        return rows.set_column(rows.column_names.index(column), column, known)
    return rows.append_column("available_at", known)


def _snapshot_rows(rows: pa.Table, source: Source, ds: str, *, first: bool) -> pa.Table:
    """Add the columns of a snapshot's partition.

    The first snapshot is all that is known of the past, so its rows count from their own time. A later one
    is read when its day has ended, so what it says was known from the end of the day on, however old the
    rows call themselves.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = _with_available_at(rows, source).append_column("ds", _constant(ds, rows.num_rows))
    if first:
        return rows
    last_moment = datetime.combine(date.fromisoformat(ds), time.max, UTC)
    day = pa.scalar(last_moment, pa.timestamp("us", tz="UTC"))
    at = rows.column_names.index("available_at")
    known = rows["available_at"]
    return rows.set_column(at, "available_at", pc.if_else(pc.less(known, day), day, known))


def _constant(value: str, length: int) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(value, pa.string()), length)
