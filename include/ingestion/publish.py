"""Publish: replaces the lake's partitions of a staged and validated batch's days."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from include import lake
from include.core.errors import ExpectationsFailed, PublishConflict
from include.ingestion import quarantine
from include.ingestion.arrow_types import arrow_type
from include.ingestion.days import days_between
from include.ingestion.stage import read_in_parts, read_manifest, read_verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.config.sources import Source
    from include.ingestion.stage import BatchVerdict, StagedBatch

log = logging.getLogger(__name__)

#: A snapshot read within this time of its day's end is available from the day's end, otherwise from its reading.
PROMPT = timedelta(days=1)


def publish_batch(pipeline: Pipeline, batch: StagedBatch, raw: lake.RawTable | None = None) -> lake.TableVersion:
    """Replace the batch's days in the source's raw table, in one commit and without quarantined rows.

    Nothing changes if the batch is already published, is older than the published one, or is a snapshot equal to the
    one before.

    Parameters
    ----------
    raw
        The source's raw table, if the caller has opened it for several steps of a day.

    Raises
    ------
    RunMissing, ExpectationsFailed
        If the batch was not validated or did not pass its validation.
    PublishConflict, SchemaMismatch, LakeError
        The table is unchanged.
    """
    source = pipeline.sources[batch.source]
    raw = raw or lake.RawTable(lake.raw_uri(pipeline.name, batch.source))
    verdict = _check_validated(batch)
    excluded = quarantine.excluded_rows(batch)
    published_as = batch.digest
    if excluded.positions:  # the same batch with other excluded rows is other content
        published_as += "-" + hashlib.sha256(str(sorted(excluded.positions)).encode()).hexdigest()[:8]
    counts = read_manifest(batch.pipeline, batch.source, batch.digest).rows_by_day
    first = True
    if source.arrives == "snapshot":
        there = raw.refresh().partitions()
        earlier = [part for ds, part in there.items() if ds < batch.end]
        if any(ds > batch.end for ds in there):
            # today's content was not known on that day, and the later snapshot already has it
            return _unchanged(raw, batch, f"a snapshot of {max(there)}, later than {batch.end}, is published")
        if earlier and earlier[-1].batch == published_as and batch.end not in there:
            return _unchanged(raw, batch, f"the snapshot has not changed since {earlier[-1].ds}")
        first = not earlier
    slices = lake.Slices(
        column=source.slice_column,
        days=batch.days,
        batch=published_as,
        moment=max(batch.moment, excluded.decided_at),
        rows={ds: count - excluded.by_day.get(ds, 0) for ds, count in counts.items()},
    )
    parts = _published_rows(source, batch, published_as, excluded.positions, verdict.quarantined, first=first)
    published = lake.publish_days(raw, parts, _schema(source), slices, source.contract.retired)
    state = "Published" if published.changed else "Already published:"
    days = f"{batch.start} to {batch.end}"
    log.info(
        "%s %s rows of source '%s', %s, as version %s of %s",
        state,
        f"{slices.total:,}",
        batch.source,
        days,
        published.version,
        raw.uri,
    )
    return published


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


def _check_validated(batch: StagedBatch) -> BatchVerdict:
    verdict = read_verdict(batch)
    if not verdict.passed:
        raise ExpectationsFailed(
            f"{batch.pipeline}: batch {batch.digest} of source '{batch.source}' did not pass its validation, so it is "
            "not published; correct the source and run the extract task again, or the expectation and the validate task"
        )
    return verdict


def _unchanged(raw: lake.RawTable, batch: StagedBatch, reason: str) -> lake.TableVersion:
    log.info("Nothing to publish for source '%s': %s", batch.source, reason)
    assert raw.version is not None, "a table with partitions has a version"
    return lake.TableVersion(raw.uri, raw.version, batch.rows, changed=False)


def _schema(source: Source) -> pa.Schema:
    """Return the columns of a raw table.

    `batch` comes first: a table keeps statistics of its first 32 columns only, and a day's batch is read from them.
    """
    import pyarrow as pa

    own = [(name, pa.string()) for name in ("batch", "ds", "delivered")]
    if source.slice_column == "ds":
        own.pop()
    columns = [(name, arrow_type(declared)) for name, declared in source.columns.items()]
    known = [] if "available_at" in source.columns else [("available_at", arrow_type("timestamp"))]
    return pa.schema([*own, *columns, *known])


def _published_rows(
    source: Source, batch: StagedBatch, published_as: str, excluded: set[int], quarantined: int, *, first: bool
) -> Iterator[pa.Table]:
    """Yield a batch's rows with the columns of the raw table, except those at excluded positions."""
    if len(excluded) != quarantined:
        conflict = PublishConflict(
            f"{batch.pipeline}: source '{batch.source}': the quarantine holds {len(excluded):,} rows of batch "
            f"{batch.digest}, and its validation left {quarantined:,} there; another run has since validated a batch "
            "of the same days; nothing was published; run the validate task again, then this one"
        )
        conflict.retryable = False  # a retry of this task alone would fail again
        raise conflict
    position = 0
    for part in read_in_parts(batch):
        rows = _without(part, position, excluded)
        position += part.num_rows
        rows = _with_available_at(rows, source)
        if source.arrives == "snapshot":
            rows = rows.append_column("ds", _constant(batch.end, rows.num_rows))
            if not first:
                rows = _known_from(rows, _known_moment(batch))
        yield rows.add_column(0, "batch", _constant(published_as, rows.num_rows))


def _without(part: pa.Table, position: int, excluded: set[int]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    here = [each - position for each in excluded if position <= each < position + part.num_rows]
    if not here:
        return part
    keep = np.ones(part.num_rows, dtype=bool)
    keep[here] = False
    return part.filter(pa.array(keep))


def _with_available_at(rows: pa.Table, source: Source) -> pa.Table:
    """Add `available_at`, the time from which a row may be used: the declared column plus its delay."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column, delay = source.available_at.column, source.available_at.delay
    known = pc.add(rows[column], pa.scalar(delay, pa.duration("us"))) if delay else rows[column]
    if column == "available_at":
        return rows.set_column(rows.column_names.index(column), column, known)
    return rows.append_column("available_at", known)


def _known_moment(batch: StagedBatch) -> datetime:
    """Return when a snapshot became known: at its day's end, or when it was read if that was long after."""
    day_end = datetime.combine(date.fromisoformat(batch.end), time.max, UTC)
    read = datetime.fromisoformat(batch.extracted_at)
    return read if read - day_end > PROMPT else day_end


def _known_from(rows: pa.Table, moment: datetime) -> pa.Table:
    """Make rows available no earlier than a moment, whatever their own times say.

    The first snapshot is all that is known about the past, so its rows keep their own times. The content of a later
    snapshot was not known before that snapshot existed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    at = rows.column_names.index("available_at")
    known, earliest = rows["available_at"], pa.scalar(moment, pa.timestamp("us", tz="UTC"))
    return rows.set_column(at, "available_at", pc.if_else(pc.less(known, earliest), earliest, known))


def _constant(value: str, length: int) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(value, pa.string()), length)
