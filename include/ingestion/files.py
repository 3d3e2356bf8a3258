"""Reads the CSV, JSON lines or Parquet files of a range of days from a folder or an object store."""

from __future__ import annotations

import stat
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.errors import NightshiftError, SourceUnreadable
from include.core.settings import without_password
from include.ingestion import formats
from include.ingestion.companion_files import CompanionFiles, new_hashes
from include.ingestion.days import some
from include.ingestion.decode import tables
from include.ingestion.file_names import matching_names, pattern_of_day
from include.ingestion.formats import AGAIN, empty, unreadable
from include.ingestion.read_record import ReadRecord
from include.ingestion.source_reader import Chunk, SourceReader, SourceRows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from upath import UPath

    from include.config.sources.files_source import FilesSource
    from include.core.connections import Connections
    from include.ingestion.source_reader import ReadRequest

#: Libraries of object stores, whose errors are not OSErrors.
STORE_LIBRARIES = {"aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google"}


@dataclass(frozen=True)
class FileRead:
    """A file that was read.

    Attributes
    ----------
    path
        Its name below the folder.
    as_declared_by
        The names of the companion files that it agrees with; None if it has none.
    """

    path: str
    bytes: int
    sha256: str
    rows: int
    as_declared_by: list[str] | None = None


@dataclass(frozen=True)
class FilesRead(ReadRecord):
    """The files below a folder, and the patterns that no file matches."""

    files: list[FileRead]
    missing: list[str]
    folder: str


class FilesReader(SourceReader["FilesSource", FilesRead]):
    """Reads the files of a folder or an object store."""

    record = FilesRead

    def read(self, request: ReadRequest, connections: Connections) -> SourceRows[FilesRead]:
        """Read the files of the requested days."""
        return read_files(self.source, request.days, connections.folder(self.source.connection), request.where)

    def missing_from(self, read_from: FilesRead) -> str:
        """Name the files that were not there."""
        if not read_from.missing:
            return ""
        place = f"{read_from.folder} (connection '{self.source.connection}')"
        return f"{some(read_from.missing)} not found below {place}"


def read_files(source: FilesSource, days: list[str], folder: UPath, where: str) -> SourceRows[FilesRead]:
    """Read the files of some days, or of a snapshot, a block at a time.

    Parameters
    ----------
    days
        ISO days to read; for a snapshot, its one day.
    folder
        The connection's folder, local or in an object store.
    where
        The pipeline, source and days, for an error's sentence.

    Returns
    -------
    SourceRows
        The rows as the files have them. The caller decides whether it is an error that files are missing.

    Raises
    ------
    ConfigError
        If the source's path leads out of the folder.
    SourceUnreadable
        While the chunks are read, if a file cannot be read, is not of its format, occurs twice, or contradicts its
        companion files.
    """
    patterns = {pattern_of_day("path", source.path, ds, source, where): _marker(source, ds, where) for ds in days}
    return SourceRows(_read(source, patterns, folder, where))


def _marker(source: FilesSource, ds: str, where: str) -> str | None:
    return pattern_of_day("complete_when", source.complete_when, ds, source, where) if source.complete_when else None


def _read(
    source: FilesSource, patterns: dict[str, str | None], folder: UPath, where: str
) -> Generator[Chunk, None, FilesRead]:
    names_by_content: dict[str, str] = {}
    read: dict[str, FileRead] = {}
    missing = []
    companions = CompanionFiles(source, folder)
    for pattern, marker in patterns.items():
        with _file_errors(f"{where}: the files {folder}/{pattern}", f"{where}, files {folder}/{pattern}"):
            is_complete = marker is None or bool(matching_names(folder, marker))
            names = [name for name in matching_names(folder, pattern) if name != marker]
            names = companions.leave_out(names, pattern, where)
        if names and not is_complete:
            raise _incomplete(names, marker, folder, where)
        if not names:
            missing.append(pattern)
        for name in names:
            if name not in read:  # one file may match the patterns of several days
                read[name] = yield from _read_file(source, folder, name, where, names_by_content, companions)
    return FilesRead(files=list(read.values()), missing=missing, folder=str(folder))


def _incomplete(names: list[str], marker: str | None, folder: UPath, where: str) -> SourceUnreadable:
    waiting = SourceUnreadable(
        f"{where}: the day is not complete: {marker}, which complete_when names, is not below {folder}, and "
        f"{some(names)} {'is' if len(names) == 1 else 'are'}; run this task again when it is there; nothing was "
        "published"
    )
    waiting.retryable = True
    return waiting


def _read_file(
    source: FilesSource,
    folder: UPath,
    name: str,
    where: str,
    seen: dict[str, str],
    companions: CompanionFiles,
) -> Generator[Chunk, None, FileRead]:
    path = folder / name
    place = f"{where}, file {path}"
    with _file_errors(f"{where}: the file {path}", place):
        before = _size_and_time(path, name, where)
        with path.open("rb", buffering=formats.BLOCK_BYTES) as file:
            declared = companions.declared(name, place)
            hashes, size, rows = new_hashes(declared.digests), 0, 0
            while piece := file.read(formats.BLOCK_BYTES):
                for each in hashes.values():
                    each.update(piece)
                size += len(piece)
            digests = {algorithm: each.hexdigest() for algorithm, each in hashes.items()}
            sha256 = digests["sha256"]
            declared.check_digests(digests, place)
            if sha256 in seen:
                raise unreadable(
                    place, f"its content is that of {folder / seen[sha256]}, byte for byte", "deliver only one of them"
                )
            if size == 0:
                raise empty(place)
            for table in tables(source, file, name, place):
                rows += table.num_rows
                yield Chunk(table, f"{where}, {name}")
        declared.check_rows(rows, place)
        if _size_and_time(path, name, where) != before:
            raise unreadable(place, "it changed while it was being read", "run this task again when it is complete")
    if rows:  # the files of two days without rows are equal: both have only the header
        seen[sha256] = name
    return FileRead(path=name, bytes=size, sha256=sha256, rows=rows, as_declared_by=declared.file_names or None)


def _size_and_time(path: UPath, name: str, where: str) -> tuple[int, float]:
    path.fs.invalidate_cache()  # the store's earlier state of the file
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise SourceUnreadable(
            f"{where}: the file {path} cannot be read (Is a directory); name the files in it, such as {name}/*, in "
            "`path` in pipeline.yaml; nothing was published"
        )
    return found.st_size, found.st_mtime


@contextmanager
def _file_errors(what: str, place: str) -> Iterator[None]:
    """Turn an error of the system, the store, a compression or a format into one sentence."""
    import pyarrow as pa

    try:
        yield
    except NightshiftError:
        raise
    except FileNotFoundError as error:
        raise unreadable(place, "it vanished while it was being read", AGAIN) from error
    except Exception as error:
        message = without_password(str(getattr(error, "strerror", None) or error))
        reason = (message or type(error).__name__).splitlines()[0]
        from_store = type(error).__module__.partition(".")[0] in STORE_LIBRARIES
        is_unreachable = from_store or isinstance(error, (ConnectionError, TimeoutError))
        if is_unreachable or (isinstance(error, OSError) and (error.errno or type(error) is PermissionError)):
            remedy = "check the store and the connection" if is_unreachable else "check its permissions"
            refused = SourceUnreadable(f"{what} cannot be read ({reason}); {remedy}; nothing was published")
            refused.retryable = is_unreachable
            raise refused from error
        if isinstance(
            error, (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, pa.ArrowException)
        ):
            raise unreadable(place, f"the file is truncated or broken ({reason})", AGAIN) from error
        raise
