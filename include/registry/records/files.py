"""The files of a pipeline's records: each is written once, whole or not at all, and never overwritten."""

from __future__ import annotations

import errno
import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import LakeError
from include.lake import run_files

if TYPE_CHECKING:
    from upath import UPath

NAME = re.compile(r"(\d{8})\.json")

#: Errors of a file system that does not support hard links.
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}

#: Number of objects that are read from a store at once.
READERS = 16


def record_file(pipeline: str, number: int) -> UPath:
    """Return the path of the record with a number."""
    return _folder(pipeline) / f"{number:08d}.json"


def record_numbers(pipeline: str) -> list[int]:
    """Return the numbers of the existing records, in order.

    Raises
    ------
    LakeError
        If the lake cannot be read.
    """
    folder = _folder(pipeline)
    try:
        if not _is_local(folder):
            folder.fs.invalidate_cache()  # another process may have written since the last listing
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    except OSError as error:
        raise _unreadable(folder, error) from error
    return sorted(int(named[1]) for named in map(NAME.fullmatch, names) if named and int(named[1]))


def read_files(pipeline: str) -> dict[int, bytes]:
    """Return the content of the records' files by number, in order.

    Raises
    ------
    LakeError
        If the lake cannot be read.
    """
    numbers = record_numbers(pipeline)
    paths = [record_file(pipeline, number) for number in numbers]
    if not paths or _is_local(paths[0]):
        return dict(zip(numbers, map(read_file, paths), strict=True))
    with ThreadPoolExecutor(READERS) as readers:  # reading from a store is mostly waiting
        return dict(zip(numbers, readers.map(read_file, paths), strict=True))


def read_file(path: UPath) -> bytes:
    """Return the content of one file.

    Raises
    ------
    LakeError
        If it cannot be read.
    """
    try:
        return Path(path.path).read_bytes() if _is_local(path) else path.fs.cat_file(path.path)
    except OSError as error:
        raise _unreadable(path, error) from error


def create_file(path: UPath, content: bytes) -> None:
    """Write a file whole or not at all, unless a file of this name exists.

    One of two simultaneous writers succeeds, and the other gets an error. A local file system with hard links refuses
    a link to an existing name; S3 (`If-None-Match`), Google Cloud Storage (`ifGenerationMatch`) and Azure refuse too.

    Some places cannot refuse: a file system without hard links, an S3 look-alike that ignores the condition, and a
    store whose package has no exclusive write. There, this function first looks for the file and then writes, so two
    writers in the same moment may both write, and the later one wins.

    Raises
    ------
    FileExistsError
        If the file exists; it is unchanged.
    LakeError
        If it cannot be written.
    """
    try:
        if _is_local(path):
            _create_local(Path(path.path), content)
        else:
            _create_object(path, content)
    except FileExistsError:
        raise
    except OSError as error:
        raise LakeError(
            f"{path} could not be written ({error.strerror or error}); check LAKE_URI's permissions and free "
            "space, then run this task again"
        ) from error


def _create_local(target: Path, content: bytes) -> None:
    if target.parent.exists() and not target.parent.is_dir():  # a FileExistsError would claim that the record exists
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(scratch, target)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if target.exists():
                raise FileExistsError(target) from error
            scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power failure, where the system supports it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create_object(path: UPath, content: bytes) -> None:
    store = path.fs
    store.invalidate_cache()  # the cached listing may be old
    if store.exists(path.path):  # a package without mode `create` would overwrite it
        raise FileExistsError(path)
    try:
        store.pipe_file(path.path, content, mode="create")
    except FileExistsError:
        raise
    except OSError as error:  # not every S3 names the condition that failed
        store.invalidate_cache()
        if store.exists(path.path):
            raise FileExistsError(path) from error
        raise


def _folder(pipeline: str) -> UPath:
    return run_files.records_folder(pipeline)


def _is_local(path: UPath) -> bool:
    return path.protocol in ("", "file")


def _unreadable(path: UPath, error: OSError) -> LakeError:
    return LakeError(
        f"{path} could not be read ({error.strerror or error}); check LAKE_URI and its permissions, then try again"
    )
