"""Whole tables: their addresses and versions, and reading and writing all of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from include.core import settings
from include.core.errors import LakeError, PublishConflict
from include.core.json_document import JsonDocument
from include.lake.table_folder import arrows_folder, filesystem_of, is_committed, is_same

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable
    from pyarrow.dataset import Dataset


#: The log keeps every version, so that a run can be repeated on the tables that it read.
#: Regular checkpoints keep opening a table of years as fast as opening a young one.
PROPERTIES = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "20"}


@dataclass(frozen=True)
class TableVersion(JsonDocument):
    """A reference to a table at one version, which steps hand each other instead of data."""

    uri: str
    version: int
    rows: int
    changed: bool


def raw_uri(pipeline: str, source: str) -> str:
    """Return the address of a source's raw table."""
    return f"{settings.lake_uri()}/{pipeline}/raw/{source}"


def quarantine_uri(pipeline: str, source: str) -> str:
    """Return the address of the table with a source's quarantined rows."""
    return f"{settings.lake_uri()}/{pipeline}/quarantine/{source}"


def features_uri(pipeline: str) -> str:
    """Return the address of a pipeline's feature table."""
    return f"{settings.lake_uri()}/{pipeline}/features"


def table_name(uri: str) -> str:
    """Return the name of a table for people, such as shop/raw/sales: its place in the lake, on any machine."""
    return uri.removeprefix(f"{settings.lake_uri()}/")


def latest_version(uri: str) -> int | None:
    """Return the newest version of a table, or None where there is no table yet."""
    table = open_table(uri)
    return None if table is None else table.version()


def dataset(uri: str, version: int) -> Dataset:
    """Return a table at one version as an Arrow dataset, which is read lazily.

    Raises
    ------
    LakeError
        If there is no such version, or its files were removed since; retrying does not help with removed files.
    """
    return dataset_of(*open_pinned(uri, version))


def read_table(uri: str, version: int) -> pa.Table:
    """Return all rows of a table at one version."""
    return dataset(uri, version).to_table()


def write_table(
    uri: str, rows: pa.Table, build: str, about: dict[str, str] | None = None, partition_by: list[str] | None = None
) -> TableVersion:
    """Write a whole table as its next version.

    Parameters
    ----------
    build
        Digest of all inputs of the rows, by which `find_build` finds the version.
    about
        Further metadata of the commit.

    Raises
    ------
    PublishConflict, LakeError
        If the table cannot be written; its last version is unchanged.
    """
    from deltalake import write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        write_deltalake(
            uri,
            rows.combine_chunks(),  # several chunks would be written in parallel, in any order
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=partition_by,
            configuration=PROPERTIES,
            commit_properties=build_properties(build, about),
        )
    except CommitFailedError as error:
        raise PublishConflict(
            f"{uri}: another run wrote the table at the same time and its version was kept; run this task again"
        ) from error
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the table could not be written ({first_line(error)}); its last version is unchanged; "
            "check the lake's permissions and free space, then run this task again"
        ) from error
    found = find_build(uri, build)
    if found is None:
        raise LakeError(f"{uri}: the version just written is not in the table's history; run this task again")
    return TableVersion(uri, found, rows.num_rows, changed=True)


def build_properties(build: str, about: dict[str, str] | None = None) -> CommitProperties:
    """Return the metadata and the transaction of a build's commit.

    The transaction makes concurrent builds conflict: the second is refused, even if the two replace different rows.
    """
    from deltalake import CommitProperties, Transaction

    return CommitProperties(
        custom_metadata={"nightshift.build": build} | (about or {}), app_transactions=[Transaction("build", 1)]
    )


def find_build(uri: str, build: str, commits: int = 50) -> int | None:
    """Return the version that a build made, or None if it is not among the newest commits of the table."""
    table = open_table(uri)
    if table is None:
        return None
    for commit in table.history(commits):
        if commit.get("nightshift.build") == build:
            return int(commit["version"])
    return None


def open_table(uri: str, version: int | None = None) -> DeltaTable | None:
    """Open a table at a version (None: the newest), or return None where there is no table yet."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return DeltaTable(uri, version=version)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError, ValueError) as error:
        at = "" if version is None else f" at version {version}"
        raise LakeError(f"{uri}: the table cannot be opened{at} ({first_line(error)})") from error


def reopened(table: DeltaTable) -> DeltaTable | None:
    """Return an opened table at its newest version, reading only the commits since it was opened."""
    from deltalake.exceptions import DeltaError

    uri, system = table.table_uri, filesystem_of(table)
    try:
        if not is_same(table, system):
            return open_table(uri)
        if is_committed(table.version() + 1, system):
            table.update_incremental()
    except (DeltaError, OSError, ValueError) as error:
        raise LakeError(f"{uri}: the table cannot be opened ({first_line(error)})") from error
    return table


def existing_table(uri: str, version: int | None = None) -> DeltaTable:
    """Open a table that must exist."""
    table = open_table(uri, version)
    if table is None:
        raise LakeError(f"{uri}: there is no such table; ingest its source first")
    return table


def files_of(uri: str, version: int) -> dict[str, int]:
    """Return the size in bytes of each file of a table's version, by its path below the table."""
    import pyarrow as pa

    actions = pa.table(existing_table(uri, version).get_add_actions(flatten=True))
    paths = (unquote(path) for path in actions["path"].to_pylist())  # a log has them URI-encoded
    return dict(zip(paths, actions["size_bytes"].to_pylist(), strict=True))


def open_pinned(uri: str, version: int) -> tuple[DeltaTable, bool]:
    """Return a table at a version, and whether that is the newest; the newest is opened only once."""
    table = existing_table(uri)
    newest = table.version() == version
    return (table if newest else existing_table(uri, version)), newest


def dataset_of(table: DeltaTable, newest: bool, pruned: str | None = None) -> Dataset:
    """Return an opened table as an Arrow dataset; `pruned` is an SQL condition that selects its files.

    Raises
    ------
    LakeError
        If an older version lacks files, because they were removed.
    """
    import pyarrow as pa
    from pyarrow.dataset import FileSystemDataset

    schema = pa.schema(table.schema().to_arrow())
    # deltalake builds an expression for each column of the schema and each file, which is slower than opening the files
    partitions = pa.schema([schema.field(name) for name in table.metadata().partition_columns])
    found = table.to_pyarrow_dataset(filesystem=arrows_folder(table), file_pruning_predicate=pruned, schema=partitions)
    if not newest:
        _check_files(found, table)
    return FileSystemDataset(list(found.get_fragments()), schema, found.format, found.filesystem)


def first_line(error: Exception) -> str:
    """Return an error's message in one line; delta-rs may put each cause on its own line, behind a coloured arrow."""
    message = re.sub(r"\s*(\x1b\[\d+m)*↳(\x1b\[\d+m)*\s*", ": ", str(error)).strip()
    return message.splitlines()[0] if message else type(error).__name__


def _check_files(found: Dataset, table: DeltaTable) -> None:
    """Refuse a version that lacks files."""
    from pyarrow.fs import FileType

    if any(each.type == FileType.NotFound for each in found.filesystem.get_file_info(found.files)):
        gone = LakeError(
            f"{table.table_uri}: version {table.version()} is older than the keep_days of pipeline.yaml, and its files "
            "were removed, so the run cannot be repeated on it; start a new run, which reads the newest version"
        )
        gone.retryable = False
        raise gone
