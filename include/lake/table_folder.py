"""The folder of a table as a file system of Arrow, and what its log holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyarrow.fs import FileSystem


def filesystem_of(table: DeltaTable) -> FileSystem:
    """Return the folder of an opened table as a file system: Arrow's own where it has one, else deltalake's."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    return arrows_folder(table) or PyFileSystem(DeltaStorageHandler.from_table(table._table))


def arrows_folder(table: DeltaTable) -> FileSystem | None:
    """Return the folder of a table on this machine or on S3, which Arrow can read itself; None for other stores.

    deltalake's own file system needs Python for each read, and a process that exits while Arrow closes one of its
    files is aborted (https://github.com/apache/arrow/issues/39862).
    """
    from pyarrow.fs import FileSystem, SubTreeFileSystem

    scheme, _, path = table.table_uri.partition("://")
    if scheme == "file":
        system, folder = FileSystem.from_uri(table.table_uri)
        return SubTreeFileSystem(folder, system)
    return SubTreeFileSystem(unquote(path).rstrip("/"), _s3()) if scheme in ("s3", "s3a") else None


def _s3() -> FileSystem:
    """Return S3 or a compatible store, from the same AWS_... variables that deltalake and s3fs read."""
    from pyarrow.fs import S3FileSystem

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    scheme, _, host = endpoint.rpartition("://")
    return S3FileSystem(region=region, endpoint_override=host.rstrip("/") or None, scheme=scheme or "https")


def is_same(table: DeltaTable, system: FileSystem) -> bool:
    """Return whether the table at this address is still the one that was opened; delta-rs does not check.

    The lake never removes the first commit of a log, which has the table's id.
    """
    try:
        with system.open_input_file(f"_delta_log/{0:020}.json") as commit:
            return str(table.metadata().id) in commit.read().decode()
    except FileNotFoundError:
        return False


def is_committed(version: int, system: FileSystem) -> bool:
    """Return whether a log has a version; this is faster than listing a log of years, as delta-rs does."""
    from pyarrow.fs import FileType

    found = system.get_file_info([f"_delta_log/{version:020}.json"])
    return bool(found[0].type == FileType.File)
