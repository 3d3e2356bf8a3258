"""The rows of a staged batch: a Parquet file, sorted and named by its content."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from include.core.duckdb_connection import open_duckdb
from include.core.errors import RunMissing
from include.core.sql_text import identifiers, literal, parquet_rows
from include.lake import run_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from include.ingestion.stage import StagedBatch

#: Memory for sorting a batch; a larger batch spills to the disk.
SORT_MEMORY = "300MB"

#: Rows of a batch in memory at once when the batch is read again.
BATCH_ROWS = 100_000


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
