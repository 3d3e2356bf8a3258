"""The tables as wholes: their addresses, their versions, and reading and writing all of one."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include import settings
from include.errors import LakeError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyarrow.dataset import Dataset

#: Every version stays readable, however many come: a run can be repeated on the tables that it read.
#: A checkpoint every so many commits keeps opening a table of years as quick as opening a young one.
PROPERTIES = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "20"}


@dataclass(frozen=True)
class TableVersion:
    """A table as it was at one version; what steps hand each other instead of data."""

    uri: str
    version: int
    rows: int
    changed: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def raw_uri(pipeline: str, source: str) -> str:
    """Return the address of a source's raw table."""
    return f"{settings.lake_uri()}/{pipeline}/raw/{source}"


def quarantine_uri(pipeline: str, source: str) -> str:
    """Return the address of the table with a source's rows that are not fit to be published."""
    return f"{settings.lake_uri()}/{pipeline}/quarantine/{source}"


def features_uri(pipeline: str) -> str:
    """Return the address of a pipeline's feature table."""
    return f"{settings.lake_uri()}/{pipeline}/features"


def latest_version(uri: str) -> int | None:
    """Return the newest version of a table, or None where there is no table yet."""
    table = open_table(uri)
    return None if table is None else table.version()


def dataset(uri: str, version: int) -> Dataset:
    """Return a table at one version as an Arrow dataset, which is read lazily.

    Raises
    ------
    LakeError
        If there is no such version, or its files were removed since; no retry can mend the latter.
    """
    found = existing_table(uri, version).to_pyarrow_dataset()
    if version != existing_table(uri).version():
        _check_files(found, uri, version)
    return found


def read_table(uri: str, version: int) -> pa.Table:
    """Read a whole table at one version."""
    return dataset(uri, version).to_table()


def write_table(uri: str, rows: pa.Table, build: str) -> TableVersion:
    """Write a whole table as its next version, or return the version that this build already made.

    Parameters
    ----------
    build
        Digest of everything that the rows are made from.
    """
    from deltalake import CommitProperties, write_deltalake
    from deltalake.exceptions import DeltaError

    try:
        write_deltalake(
            uri,
            rows.combine_chunks(),  # several chunks are written side by side, in any order
            mode="overwrite",
            schema_mode="overwrite",
            configuration=PROPERTIES,
            commit_properties=CommitProperties(custom_metadata={"nightshift.build": build}),
        )
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the table could not be written ({first_line(error)}); its last version stands; "
            "check the lake's permissions and free space, then run this task again"
        ) from error
    found = find_build(uri, build)
    if found is None:
        raise LakeError(f"{uri}: the version just written is not in the table's history; run this task again")
    return TableVersion(uri, found, rows.num_rows, changed=True)


def find_build(uri: str, build: str, commits: int = 50) -> int | None:
    """Return the version that a build made, if it is among the newest commits of the table."""
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


def existing_table(uri: str, version: int | None = None) -> DeltaTable:
    """Open a table that must be there."""
    table = open_table(uri, version)
    if table is None:
        raise LakeError(f"{uri}: there is no such table; ingest its source first")
    return table


def first_line(error: Exception) -> str:
    """Return what an error says in one line; delta-rs may tell each cause on its own, behind a coloured arrow."""
    told = re.sub(r"\s*(\x1b\[\d+m)*↳(\x1b\[\d+m)*\s*", ": ", str(error)).strip()
    return told.splitlines()[0] if told else type(error).__name__


def _check_files(found: Dataset, uri: str, version: int) -> None:
    """Refuse a version of which files were removed."""
    from pyarrow.fs import FileType

    if any(each.type == FileType.NotFound for each in found.filesystem.get_file_info(found.files)):
        gone = LakeError(
            f"{uri}: version {version} is older than the keep_days of pipeline.yaml, and its files are gone, so what "
            "was made from it cannot be made again; start a new run, which reads the newest version"
        )
        gone.retryable = False
        raise gone
