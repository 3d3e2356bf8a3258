"""Staged batches: the rows that were read, in a Parquet file named by its content, and a manifest of them."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from include.core.duckdb_connection import open_duckdb
from include.core.errors import RunMissing
from include.core.sql_text import identifiers, literal, parquet_rows
from include.ingestion.days import days_between
from include.lake import run_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa
    from upath import UPath

    from include.config.sources import ColumnType

#: Memory for sorting a batch; a larger batch spills to the disk.
SORT_MEMORY = "300MB"

#: Rows of a batch in memory at once when the batch is read again.
BATCH_ROWS = 100_000


@dataclass(frozen=True)
class StagedBatch:
    """A source's rows for a range of days, read at one time and not yet published.

    Attributes
    ----------
    digest
        The first 16 characters of the Parquet file's SHA-256, which are also its name.
    extracted_at
        The time in UTC at which reading began; if two batches have the same day, the one read later is published.
    """

    pipeline: str
    source: str
    start: str
    end: str
    digest: str
    rows: int
    extracted_at: str

    @property
    def days(self) -> list[str]:
        """The ISO days of the batch, including days without rows."""
        return days_between(date.fromisoformat(self.start), date.fromisoformat(self.end))

    @property
    def moment(self) -> int:
        """`extracted_at` in microseconds since 1970."""
        return int(datetime.fromisoformat(self.extracted_at).timestamp() * 1_000_000)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class BatchManifest:
    """The record of a staged batch, in a JSON file with the batch's name.

    Attributes
    ----------
    columns
        The declared type of each column.
    delivered
        The kinds of values that each column had at the source.
    changes
        The changes of the source that its contract allowed, as clauses.
    read_from
        What was read, as the kind's reader records it.
    """

    batch: StagedBatch
    rows_by_day: dict[str, int]
    columns: dict[str, ColumnType]
    delivered: dict[str, list[str]]
    changes: list[str]
    kind: str
    connection: str
    read_from: dict[str, Any]
    ended_at: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types, those of the batch at the same level as the others."""
        return self.batch.to_json() | {name: getattr(self, name) for name in _MANIFEST_FIELDS}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> BatchManifest:
        """Return the manifest that `to_json` made the fields of."""
        batch = StagedBatch(**{name: fields[name] for name in StagedBatch.__dataclass_fields__})
        return cls(batch, **{name: fields[name] for name in _MANIFEST_FIELDS})


_MANIFEST_FIELDS = [name for name in BatchManifest.__dataclass_fields__ if name != "batch"]


@dataclass(frozen=True)
class BatchVerdict:
    """Whether a staged batch passed its validation, and how many of its rows the validation left in quarantine."""

    passed: bool
    quarantined: int

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> BatchVerdict:
        """Return the verdict from the JSON of a batch's validation."""
        return cls(passed=fields["passed"], quarantined=fields["quarantined"])


def write_rows(tables: Iterable[pa.Table], schema: pa.Schema, path: Path) -> int:
    """Write tables to a Parquet file and return the number of their rows."""
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for table in tables:
            writer.write_table(table)
            rows += table.num_rows
    return rows


def sort_rows(source: Path, target: Path, order: list[str]) -> str:
    """Write the sorted rows of a Parquet file to another one and return that file's digest.

    Equal rows in the same original order have the same digest.

    Raises
    ------
    LakeError
        If there is no room for the file.
    """
    with open_duckdb(SORT_MEMORY) as con:
        con.execute(
            f"COPY (SELECT * EXCLUDE (file_row_number) FROM {parquet_rows(source)} ORDER BY "
            f"{identifiers(order)}, file_row_number) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def read_batch(batch: StagedBatch) -> pa.Table:
    """Read a whole staged batch; `read_in_parts` is for batches of many rows."""
    import pyarrow as pa

    return pa.concat_tables(read_in_parts(batch))


def read_in_parts(batch: StagedBatch) -> Iterator[pa.Table]:
    """Read a staged batch in order, some rows at a time; yield at least one part, which may have no rows.

    The columns are the declared ones, `ds` unless the source is a snapshot, and `delivered` if it arrives as `append`.

    Raises
    ------
    RunMissing
        If the batch's file does not exist.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with local_file(batch) as path:
        file = pq.ParquetFile(path)
        parts: list[pa.RecordBatch] = []
        held = read = 0
        for part in file.iter_batches(batch_size=BATCH_ROWS):
            parts.append(part)
            held += part.num_rows
            if held >= BATCH_ROWS:
                read += held
                yield pa.Table.from_batches(parts, file.schema_arrow).combine_chunks()
                parts, held = [], 0
        if held or not read:
            yield pa.Table.from_batches(parts, file.schema_arrow).combine_chunks()


@contextmanager
def local_file(batch: StagedBatch) -> Iterator[Path]:
    """Yield a local path of a batch's Parquet file.

    Raises
    ------
    RunMissing
        If the batch's file does not exist.
    """
    path = run_files.staged_folder(batch.pipeline, batch.source) / f"{batch.digest}.parquet"
    try:
        with run_files.local_copy(path) as local:
            yield local
    except FileNotFoundError as error:
        raise RunMissing(
            f"{batch.pipeline}: the staged batch {batch.digest} of source '{batch.source}' is not at {path}; "
            "run the extract task again"
        ) from error


def write_manifest(manifest: BatchManifest) -> None:
    """Write a batch's manifest, which completes its staging."""
    batch = manifest.batch
    run_files.write_json(_manifest_path(batch.pipeline, batch.source, batch.digest), manifest.to_json())


def read_manifest(pipeline: str, source: str, digest: str) -> BatchManifest:
    """Return the manifest of a staged batch.

    Raises
    ------
    RunMissing
        If the manifest does not exist.
    """
    path = _manifest_path(pipeline, source, digest)
    return BatchManifest.from_json(run_files.read_json(path, f"the manifest of batch {digest} of source '{source}'"))


def _manifest_path(pipeline: str, source: str, digest: str) -> UPath:
    return run_files.staged_folder(pipeline, source) / f"{digest}.json"


def verdict_path(batch: StagedBatch) -> UPath:
    """Return where a batch's validation writes its verdict."""
    return run_files.staged_folder(batch.pipeline, batch.source) / f"{batch.digest}.validation.json"


def read_verdict(batch: StagedBatch) -> BatchVerdict:
    """Return the verdict of a batch's validation.

    Raises
    ------
    RunMissing
        If the batch was not validated.
    """
    return BatchVerdict.from_json(
        run_files.read_json(verdict_path(batch), f"the validation of batch {batch.digest} of source '{batch.source}'")
    )
