"""Extract: one source's rows of a range of days become a staged batch."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from include import lake, workspace
from include.config import FilesSource
from include.errors import RunMissing, SchemaMismatch, SourceEmpty
from include.ingestion.files import read_files
from include.ingestion.sql import read_sql

if TYPE_CHECKING:
    import pyarrow as pa

    from include.config import Pipeline, Source
    from include.connections import Connections

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StagedBatch:
    """A source's rows as they were read, in a file named by their digest; not yet published."""

    pipeline: str
    source: str
    start: str
    end: str
    digest: str
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def extract_source(pipeline: Pipeline, name: str, start: date, end: date, connections: Connections) -> StagedBatch:
    """Read one source for the days from `start` to `end` (both inclusive) and stage what came.

    Days without rows before a source's first row are left out when nothing was published before it, so
    that a first range may begin before the source does. Any other empty day is an error.

    Raises
    ------
    ConnectionMissing, SourceUnreadable, SourceEmpty, SchemaMismatch
        With nothing staged and nothing published.
    """
    source = pipeline.sources[name]
    where = f"{pipeline.name}: source '{name}', {_range(start, end)}"
    if source.arrives == "snapshot":
        start = end
    rows = _read(pipeline, source, start, end, connections, where)
    if source.arrives == "daily":
        rows = _with_day(rows, source, start, end, where)
        start = _first_day(rows, pipeline, name, start, end, where)
    elif rows.num_rows < source.rows_per_day.min:
        raise SourceEmpty(
            f"{where}: the snapshot has {rows.num_rows} rows, and at least {source.rows_per_day.min} are "
            "expected; check the delivery, then run this task again; nothing was published"
        )
    order = [*(["ds"] if "ds" in rows.column_names else []), *source.key]
    rows = rows.sort_by([(column, "ascending") for column in order])
    content = _parquet(rows)
    digest = hashlib.sha256(content).hexdigest()[:16]
    batch = StagedBatch(pipeline.name, name, start.isoformat(), end.isoformat(), digest, rows.num_rows)
    folder = workspace.staged_folder(pipeline.name, name)
    workspace.write_bytes(folder / f"{digest}.parquet", content)
    manifest = batch.to_json() | {
        "columns": dict(source.columns),
        "read_from": source.path if isinstance(source, FilesSource) else source.query,
        "connection": source.connection,
        "extracted_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    workspace.write_json(folder / f"{digest}.json", manifest)
    log.info("%s: %s rows staged as batch %s", where, f"{rows.num_rows:,}", digest)
    return batch


def read_batch(batch: StagedBatch) -> pa.Table:
    """Read a staged batch: the declared columns and, for a daily source, `ds`."""
    import pyarrow.parquet as pq

    path = workspace.staged_folder(batch.pipeline, batch.source) / f"{batch.digest}.parquet"
    try:
        with path.open("rb") as file:
            return pq.read_table(file)
    except FileNotFoundError as error:
        raise RunMissing(
            f"{batch.pipeline}: the staged batch {batch.digest} of source '{batch.source}' is not at {path}; "
            "run the extract task again"
        ) from error


def days_between(start: date, end: date) -> list[str]:
    """Return the ISO days from `start` to `end`, both inclusive."""
    return [(start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]


def _read(pipeline: Pipeline, source: Source, start: date, end: date, connections: Connections, where: str) -> pa.Table:
    if isinstance(source, FilesSource):
        folder = connections.folder(source.connection)
        rows, missing = read_files(source, days_between(start, end), folder, where)
        if missing and rows.num_rows == 0 and source.rows_per_day.min > 0:
            raise SourceEmpty(
                f"{where}: {_some(missing)} not found below {folder} (connection '{source.connection}'); "
                "check the delivery, then run this task again; nothing was published"
            )
        return rows
    engine = connections.engine(source.connection)
    first, last = (datetime.combine(day, time(), UTC) for day in (start, end + timedelta(days=1)))
    return read_sql(source, pipeline.text(source.query), first, last, engine, where)


def _with_day(rows: pa.Table, source: Source, start: date, end: date, where: str) -> pa.Table:
    """Add the column `ds`, the partition of each row, and refuse rows of days that were not asked for."""
    import pyarrow.compute as pc

    column = source.day or source.available_at.column
    if rows[column].null_count:
        raise SchemaMismatch(
            f"{where}: {rows[column].null_count:,} of {rows.num_rows:,} rows have no '{column}', which says "
            "what day a row belongs to; correct the source; nothing was published"
        )
    # dates in ISO form sort as text, so that plain string predicates select partitions
    ds = pc.strftime(rows[column], format="%Y-%m-%d")
    outside = pc.or_(pc.less(ds, start.isoformat()), pc.greater(ds, end.isoformat()))
    if pc.any(outside).as_py():
        wrong = sorted(set(ds.filter(outside).to_pylist()))
        raise SchemaMismatch(
            f"{where}: {pc.sum(outside).as_py():,} of {rows.num_rows:,} rows belong to other days by their "
            f"'{column}' ({_some(wrong)}); correct the file or the query's :start and :end; nothing was published"
        )
    return rows.append_column("ds", ds)


def _first_day(rows: pa.Table, pipeline: Pipeline, name: str, start: date, end: date, where: str) -> date:
    """Return the first day that the batch holds, or raise for days that have no rows and should."""
    import pyarrow.compute as pc

    if pipeline.sources[name].rows_per_day.min == 0:
        return start
    there = set(pc.unique(rows["ds"]).to_pylist())
    empty = [ds for ds in days_between(start, end) if ds not in there]
    if there:
        first = min(there)
        leading = [ds for ds in empty if ds < first]
        published = lake.partitions(lake.raw_uri(pipeline.name, name)).keys() if leading else set()
        if leading and not any(ds < first for ds in published):
            log.warning("%s: the source begins at %s; %s before it left out", where, first, _count(leading))
            empty = [ds for ds in empty if ds > first]
            start = date.fromisoformat(first)
    if empty:
        raise SourceEmpty(
            f"{where}: no rows for {_count(empty)} ({_some(empty)}); check that the source has been delivered, "
            "then run this task again (rows_per_day: {min: 0} allows empty days); nothing was published"
        )
    return start


def _parquet(rows: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _range(start: date, end: date) -> str:
    return start.isoformat() if start == end else f"{start.isoformat()} to {end.isoformat()}"


def _count(days: list[str]) -> str:
    return f"{len(days)} day{'' if len(days) == 1 else 's'}"


def _some(names: list[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
