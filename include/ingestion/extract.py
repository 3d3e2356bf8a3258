"""Extract: one source's rows of a range of days become a staged batch."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include import lake
from include.config.sources import FilesSource, HttpSource, SqlSource
from include.core.errors import LakeError, RunMissing, SchemaMismatch, SourceEmpty, SourceUnreadable
from include.core.scratch import scratch_folder
from include.ingestion import stage
from include.ingestion.contract import check_all_seen, conform, delivered_kinds, empty_table, retyped, rewritten_keys
from include.ingestion.days import bounds, count_days, days_between, shown_range, some
from include.ingestion.deadline import within
from include.ingestion.stage import StagedBatch
from include.lake import run_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.config.sources import Source
    from include.core.connections import Connections
    from include.ingestion.delivery import Delivery

log = logging.getLogger(__name__)

#: A source that brings so many times its `rows_per_day.max` is not read to its end.
RUNAWAY = 10


def extract_source(
    pipeline: Pipeline,
    name: str,
    start: date,
    end: date,
    connections: Connections,
    raw: lake.RawTable | None = None,
) -> StagedBatch:
    """Read one source for the days from `start` to `end` (both inclusive) and stage what came.

    Days without rows before a source's first row are left out when nothing was published before it, so
    that a first range may begin before the source does. Any other empty day is an error, unless
    `rows_per_day` allows it.

    Parameters
    ----------
    raw
        The source's raw table, so that it is opened once for all steps of a day; None where this is the only one.

    Raises
    ------
    ConnectionMissing, SourceUnreadable, SourceEmpty, SchemaMismatch, LakeError
        With nothing staged and nothing published.
    """
    source = pipeline.sources[name]
    where = f"{pipeline.name}: source '{name}', {shown_range(start, end)}"
    if source.arrives == "snapshot":
        start = end
    extracted_at = _now().isoformat(timespec="microseconds")
    raw = (raw or lake.RawTable(lake.raw_uri(pipeline.name, name))).refresh()
    before = _published_manifest(pipeline, name, raw)
    delivery = _deliver(pipeline, name, start, end, connections, where, raw)
    with scratch_folder("extract-") as scratch:
        reading = _Reading(source, delivery, start, end, where)
        overdue = SourceUnreadable(
            f"{where}: reading did not end within its deadline of {source.deadline}; see whether the source hangs, "
            "or give it more time by `deadline` in pipeline.yaml; nothing was published"
        )
        overdue.retryable = True
        rows = within(source.deadline, lambda: reading.write(scratch), overdue)
        changes = reading.changes + _retyped(before, reading.kinds, source, where)
        by_day = dict(sorted(reading.rows_by_day.items()))
        if source.arrives == "snapshot":
            _check_snapshot(rows, source, where)
        else:
            start = _first_day(by_day, source, raw, start, end, where, delivery.read_from)
        digest = reading.sort(scratch)
        batch = StagedBatch(pipeline.name, name, start.isoformat(), end.isoformat(), digest, rows, extracted_at)
        folder = run_files.staged_folder(pipeline.name, name)
        run_files.put_file(scratch / "sorted.parquet", folder / f"{digest}.parquet")
    manifest = batch.to_json() | {
        "rows_by_day": by_day,
        "columns": dict(source.columns),
        "delivered": reading.kinds,
        "changes": changes,
        "kind": source.kind,
        "connection": source.connection,
        "read_from": delivery.read_from,
        "ended_at": _now().isoformat(timespec="microseconds"),
    }
    run_files.write_json(folder / f"{digest}.json", manifest)
    for change in changes:
        log.warning("%s: %s, as `contract` in pipeline.yaml allows", where, change)
    log.info("%s: %s rows staged as batch %s", where, f"{rows:,}", digest)
    return batch


def _now() -> datetime:
    return datetime.now(UTC)


class _Reading:
    """One pass over a delivery: its rows are written down, its columns' kinds and changes are kept."""

    def __init__(self, source: Source, delivery: Delivery, start: date, end: date, where: str) -> None:
        self.source, self.delivery, self.where = source, delivery, where
        self.days = days_between(start, end)
        self.kinds: dict[str, list[str]] = {}
        self.changes: list[str] = []
        self.rows_by_day: dict[str, int] = {}
        self.outside: dict[str, int] = {}
        self.undated = 0

    def write(self, scratch: Path) -> int:
        """Write all rows to `delivered.parquet` and return how many there are."""
        schema = self._with_days(empty_table(self.source.columns)).schema
        try:
            rows = stage.write_rows(self._tables(), schema, scratch / "delivered.parquet")
        except OSError as error:
            raise LakeError(
                f"{self.where}: the rows could not be written to {scratch.parent} ({error.strerror or error}); make "
                "room there, or name a larger folder in TMPDIR, then run this task again; nothing was published"
            ) from error
        self._check_days(rows)
        return rows

    def sort(self, scratch: Path) -> str:
        """Write the rows by day and key to `sorted.parquet` and return the file's digest."""
        days = [] if self.source.arrives == "snapshot" else ["ds"]
        order = [*days, *self.source.key]
        return stage.sort_rows(scratch / "delivered.parquet", scratch / "sorted.parquet", order)

    def _tables(self) -> Iterator[pa.Table]:
        seen: set[str] = set()
        rows, most = 0, (self.source.rows_per_day.max or float("inf")) * len(self.days) * RUNAWAY
        for chunk in self.delivery.chunks:
            table, changes = conform(chunk.rows, self.source, chunk.where, sparse=self.source.sparse)
            seen.update(chunk.rows.column_names)
            self._keep(changes)
            for name, kinds in delivered_kinds(chunk.rows, self.source).items():
                self.kinds[name] = sorted({*self.kinds.get(name, []), *kinds})
            rows += table.num_rows
            if rows > most:
                raise SourceUnreadable(
                    f"{self.where}: more than {most:,} rows came, {RUNAWAY} times what rows_per_day allows, and "
                    "reading was stopped; correct the source, or rows_per_day in pipeline.yaml; nothing was published"
                )
            table = self._with_days(table, chunk.delivered)
            self._count(table)
            yield table
        if self.source.sparse and rows:
            self._keep(check_all_seen(seen, self.source, self.where))

    def _keep(self, changes: list[str]) -> None:
        self.changes += [change for change in changes if change not in self.changes]

    def _with_days(self, table: pa.Table, delivered: str | None = None) -> pa.Table:
        """Add the day of each row: `ds`, and `delivered` where rows may come late."""
        source = self.source
        if source.arrives == "snapshot":
            return table
        column = source.day or source.available_at.column
        table = table.append_column("ds", self._day(table, column))
        if source.arrives == "append":
            import pyarrow as pa

            known = self._day(table, source.available_at.column)
            came = known if delivered is None else pa.repeat(pa.scalar(delivered, pa.string()), table.num_rows)
            table = table.append_column("delivered", came)
        return table

    def _day(self, table: pa.Table, column: str) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        self.undated += table[column].null_count
        # dates in ISO form sort as text, so that plain string predicates select partitions
        return pc.strftime(table[column], format="%Y-%m-%d")

    def _count(self, table: pa.Table) -> None:
        """Count the rows of each day, and those of days that were not asked for."""
        if self.source.arrives == "snapshot":
            self.rows_by_day[self.days[-1]] = self.rows_by_day.get(self.days[-1], 0) + table.num_rows
            return
        for each in table[self.source.slice_column].value_counts().to_pylist():
            day, count = each["values"], each["counts"]
            if day is not None:
                into = self.rows_by_day if self.days[0] <= day <= self.days[-1] else self.outside
                into[day] = into.get(day, 0) + count
        if self.source.arrives == "append":
            for late in self._too_late(table["ds"], table["delivered"]):
                day = late["values"]
                self.outside[day] = self.outside.get(day, 0) + late["counts"]

    def _too_late(self, ds: pa.ChunkedArray, delivered: pa.ChunkedArray) -> list[dict[str, Any]]:
        """Return how many rows of which days were delivered before their day, or later than is allowed."""
        import pyarrow as pa
        import pyarrow.compute as pc

        late = pc.days_between(ds.cast(pa.date32()), delivered.cast(pa.date32()))
        wrong = pc.or_(pc.less(late, 0), pc.greater(late, self.source.late_days))
        return ds.filter(wrong).value_counts().to_pylist()

    def _check_days(self, rows: int) -> None:
        source = self.source
        column = source.day or source.available_at.column
        if self.undated:
            named = f"'{column}'" if source.arrives != "append" else f"'{column}' or '{source.available_at.column}'"
            raise SchemaMismatch(
                f"{self.where}: {self.undated:,} of {rows:,} rows have no {named}, which says "
                "what day a row belongs to; correct the source; nothing was published"
            )
        if self.outside:
            allowed, remedy = "", "correct the file or the query's :start and :end"
            if source.arrives == "append":
                column = f"{column}' and '{source.available_at.column}"
                allowed = f", or are more than late_days ({source.late_days}) late"
                remedy = "correct the source or what it is asked for, or raise late_days in pipeline.yaml"
            raise SchemaMismatch(
                f"{self.where}: {sum(self.outside.values()):,} of {rows:,} rows belong to other days by their "
                f"'{column}' ({some(sorted(self.outside))}){allowed}; {remedy}; a day is one of UTC, so a "
                "delivery by the days of another time zone has rows of two days; nothing was published"
            )


def _deliver(
    pipeline: Pipeline, name: str, start: date, end: date, connections: Connections, where: str, raw: lake.RawTable
) -> Delivery:
    """Connect to the source; its rows are read when the chunks are asked for."""
    source = pipeline.sources[name]
    first, last = bounds(start, end)
    if isinstance(source, SqlSource):
        from include.ingestion.sql import read_sql

        return read_sql(source, pipeline.text(source.query), first, last, connections.engine(source.connection), where)
    if isinstance(source, FilesSource):
        from include.ingestion.files import read_files

        folder = connections.folder(source.connection)
        delivery = read_files(source, days_between(start, end), folder, where)
        delivery.read_from["folder"] = str(folder)
        return delivery
    if isinstance(source, HttpSource):
        from include.ingestion.http import read_http

        return read_http(source, first, last, connections.api(source.connection), where)
    from include.ingestion.kafka import read_kafka

    days = days_between(start, end)
    published = _published_offsets(pipeline, name, raw, [(start - timedelta(days=1)).isoformat(), *days])
    since = published.pop((start - timedelta(days=1)).isoformat(), None)
    return read_kafka(source, days, connections.kafka(source.connection), where, published, since)


def _published_offsets(pipeline: Pipeline, name: str, raw: lake.RawTable, days: list[str]) -> dict[str, Any]:
    """Return the offsets that days were published from, so that they are read again and no others."""
    manifests = {ds: _published_manifest(pipeline, name, raw, ds) for ds in days}
    offsets = {ds: manifest["read_from"].get("offsets", {}) for ds, manifest in manifests.items() if manifest}
    return {ds: by_day[ds] for ds, by_day in offsets.items() if ds in by_day}


def _published_manifest(
    pipeline: Pipeline, name: str, raw: lake.RawTable, ds: str | None = None
) -> dict[str, Any] | None:
    """Return the manifest of the batch that a day was published from, by default the last one."""
    column = pipeline.sources[name].slice_column
    part = raw.newest_partition(column) if ds is None else raw.partitions(column, {ds}).get(ds)
    if part is None or part.batch is None:
        return None
    try:
        return stage.read_manifest(pipeline.name, name, part.batch.split("-")[0])
    except RunMissing:
        return None  # cleaned up; there is nothing to compare with


def _retyped(before: dict[str, Any] | None, now: dict[str, list[str]], source: Source, where: str) -> list[str]:
    if before is None:
        return []
    changes = retyped(before["delivered"], now, source)
    refused = {"cast": [], "refuse": changes, "refuse_key": rewritten_keys(before["delivered"], now, source)}
    if told := refused[source.contract.retyped]:
        raise SchemaMismatch(
            f"{where}: {'; '.join(told)}; correct the source, or allow it by contract: {{retyped: cast}} in "
            "pipeline.yaml; nothing was published"
        )
    return changes


def _check_snapshot(rows: int, source: Source, where: str) -> None:
    if rows < source.rows_per_day.min:
        raise SourceEmpty(
            f"{where}: the snapshot has {rows} rows, and at least {source.rows_per_day.min} are "
            "expected; check the delivery, then run this task again; nothing was published"
        )


def _first_day(
    rows: dict[str, int],
    source: Source,
    raw: lake.RawTable,
    start: date,
    end: date,
    where: str,
    read_from: dict[str, Any],
) -> date:
    """Return the first day that the batch holds, or raise for days that have no rows and should."""
    least = source.rows_per_day.min
    if least == 0:
        return start
    empty = [ds for ds in days_between(start, end) if ds not in rows]
    if rows:
        first = min(rows)
        leading = [ds for ds in empty if ds < first]
        # reading may have taken hours, in which another run published
        published = raw.refresh().partitions(source.slice_column).keys() if leading else set()
        if leading and not any(ds < first for ds in published):
            log.warning("%s: the source begins at %s; %s before it left out", where, first, count_days(leading))
            empty = [ds for ds in empty if ds > first]
            start = date.fromisoformat(first)
    missing = read_from.get("missing")
    connection = f"(connection '{source.connection}')"
    what = f"; {some(missing)} not found below {read_from['folder']} {connection}" if missing else ""
    few = [f"{ds}: {count:,}" for ds, count in rows.items() if count < least]
    if few and not empty:
        raise SourceEmpty(
            f"{where}: fewer rows than rows_per_day expects ({least:,}) on {count_days(few)} ({some(few)}){what}; "
            "check that the delivery is complete, then run this task again; nothing was published"
        )
    if empty:
        raise SourceEmpty(
            f"{where}: no rows for {count_days(empty)} ({some(empty)}){what}; check that the source has been "
            "delivered, then run this task again (rows_per_day: {min: 0} allows empty days); nothing was published"
        )
    return start
