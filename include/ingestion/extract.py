"""Extract: reads a source's rows for a range of days into a staged batch."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from include import lake
from include.core.errors import OtherRelease, RunMissing, SchemaMismatch, SourceEmpty, SourceUnreadable
from include.core.scratch import scratch_folder
from include.ingestion import stage
from include.ingestion.batch_writer import BatchWriter
from include.ingestion.contract import retyped, rewritten_keys
from include.ingestion.days import count_days, days_between, shown_range, some
from include.ingestion.deadline import within
from include.ingestion.source_reader import ReadRequest, reader_of
from include.ingestion.stage import BatchManifest, StagedBatch
from include.lake import run_files

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.config.sources import Source
    from include.core.connections import Connections
    from include.ingestion.read_record import ReadRecord

log = logging.getLogger(__name__)


def extract_source(
    pipeline: Pipeline,
    name: str,
    start: date,
    end: date,
    connections: Connections,
    raw: lake.RawTable | None = None,
) -> StagedBatch:
    """Read one source for the days from `start` to `end` (both inclusive) and stage the rows.

    A first range may begin before the source does: empty days before the first row are left out if nothing was
    published before them. Any other empty day is an error, unless `rows_per_day` allows it.

    Parameters
    ----------
    raw
        The source's raw table, if the caller has opened it for several steps of a day.

    Raises
    ------
    ConnectionMissing, SourceUnreadable, SourceEmpty, SchemaMismatch, LakeError
        With nothing staged and nothing published.
    """
    source = pipeline.sources[name]
    where = f"{pipeline.name}: source '{name}', {shown_range(start, end)}"
    if source.arrives == "snapshot":
        start = end
    extracted_at = _now()
    raw = (raw or lake.RawTable(lake.raw_uri(pipeline.name, name))).refresh()
    before = _published_manifest(pipeline, name, raw)
    reader = reader_of(source)
    request = ReadRequest(pipeline, start, end, where, lambda ds: _published_from(pipeline, name, raw, ds))
    rows_read = reader.read(request, connections)
    with scratch_folder("extract-") as scratch:
        writer = BatchWriter(source, rows_read.chunks, request.days, where)
        overdue = SourceUnreadable(
            f"{where}: reading did not end within its deadline of {source.deadline}; check whether the source hangs, "
            "or raise `deadline` in pipeline.yaml; nothing was published"
        )
        overdue.retryable = True
        rows = within(source.deadline, lambda: writer.write(scratch), overdue)
        changes = writer.changes + _check_types(before, writer.kinds, source, where)
        by_day = dict(sorted(writer.rows_by_day.items()))
        if source.arrives == "snapshot":
            _check_snapshot(rows, source, where)
        else:
            start = _first_day(by_day, source, raw, start, end, where, reader.missing_from(rows_read.read_from))
        digest = writer.sort(scratch)
        batch = StagedBatch(pipeline.name, name, start, end, digest, rows, extracted_at)
        folder = run_files.staged_folder(pipeline.name, name)
        run_files.put_file(scratch / "sorted.parquet", folder / f"{digest}.parquet")
    stage.write_manifest(
        BatchManifest(
            batch=batch,
            rows_by_day=by_day,
            columns=dict(source.columns),
            delivered=writer.kinds,
            changes=changes,
            kind=source.kind,
            connection=source.connection,
            read_from=rows_read.read_from,
            ended_at=_now(),
        )
    )
    for change in changes:
        log.warning("%s: %s, as `contract` in pipeline.yaml allows", where, change)
    log.info("Staged %s rows as batch %s: %s", f"{rows:,}", digest, where)
    return batch


def _now() -> datetime:
    return datetime.now(UTC)


def _published_from(pipeline: Pipeline, name: str, raw: lake.RawTable, ds: str) -> ReadRecord | None:
    """Return the record of what a day was published from, from its batch's manifest."""
    manifest = _published_manifest(pipeline, name, raw, ds)
    return manifest.read_from if manifest else None


def _published_manifest(
    pipeline: Pipeline, name: str, raw: lake.RawTable, ds: str | None = None
) -> BatchManifest | None:
    """Return the manifest of the batch that a day was published from; by default the newest day."""
    column = pipeline.sources[name].slice_column
    part = raw.newest_partition(column) if ds is None else raw.partitions(column, {ds}).get(ds)
    if part is None or part.batch is None:
        return None
    try:
        return stage.read_manifest(pipeline.name, name, part.batch.split("-")[0])
    except RunMissing:
        return None  # maintenance removed it, so there is nothing to compare with
    except OtherRelease as error:
        log.warning("The batch is not compared with the published one: %s", error)
        return None


def _check_types(before: BatchManifest | None, now: dict[str, list[str]], source: Source, where: str) -> list[str]:
    """Return the columns whose values have other types than in the previous batch, if the contract allows it."""
    if before is None:
        return []
    changes = retyped(before.delivered, now, source)
    refused_by = {"cast": [], "refuse": changes, "refuse_key": rewritten_keys(before.delivered, now, source)}
    if refused := refused_by[source.contract.retyped]:
        raise SchemaMismatch(
            f"{where}: {'; '.join(refused)}; correct the source, or allow it by contract: {{retyped: cast}} in "
            "pipeline.yaml; nothing was published"
        )
    return changes


def _check_snapshot(rows: int, source: Source, where: str) -> None:
    if rows < source.rows_per_day.min:
        raise SourceEmpty(
            f"{where}: the snapshot has {rows} rows, and at least {source.rows_per_day.min} are "
            "expected; check the source, then run this task again; nothing was published"
        )


def _first_day(
    rows: dict[str, int],
    source: Source,
    raw: lake.RawTable,
    start: date,
    end: date,
    where: str,
    missing: str,
) -> date:
    """Return the first day of the batch, or raise if a day lacks rows."""
    least = source.rows_per_day.min
    if least == 0:
        return start
    empty = [ds for ds in days_between(start, end) if ds not in rows]
    if rows:
        first = min(rows)
        leading = [ds for ds in empty if ds < first]
        # reading may take hours, and another run may have published meanwhile
        published = raw.refresh().partitions(source.slice_column).keys() if leading else set()
        if leading and not any(ds < first for ds in published):
            log.warning("%s: the source begins at %s; %s before it left out", where, first, count_days(leading))
            empty = [ds for ds in empty if ds > first]
            start = date.fromisoformat(first)
    reason = f"; {missing}" if missing else ""
    few = [f"{ds}: {count:,}" for ds, count in rows.items() if count < least]
    if few and not empty:
        raise SourceEmpty(
            f"{where}: fewer rows than rows_per_day expects ({least:,}) on {count_days(few)} ({some(few)}){reason}; "
            "check that the source is complete, then run this task again; nothing was published"
        )
    if empty:
        raise SourceEmpty(
            f"{where}: no rows for {count_days(empty)} ({some(empty)}){reason}; check that the source has been "
            "delivered, then run this task again (rows_per_day: {min: 0} allows empty days); nothing was published"
        )
    return start
