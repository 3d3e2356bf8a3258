"""The files of a pipeline's records: written once, whole or not at all, and never over another one."""

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

#: What a file system without hard links answers when it is asked for one.
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}

#: How many objects of a store are asked for at once.
READERS = 16


def record_file(pipeline: str, number: int) -> UPath:
    """Return where the record of a number is."""
    return _folder(pipeline) / f"{number:08d}.json"


def record_numbers(pipeline: str) -> list[int]:
    """Return the numbers of the records that are there, in order.

    Raises
    ------
    LakeError
        If the lake cannot be read.
    """
    folder = _folder(pipeline)
    try:
        if not _is_local(folder):
            folder.fs.invalidate_cache()  # another process may have written since this one has looked
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    except OSError as error:
        raise _unreadable(folder, error) from error
    return sorted(int(named[1]) for named in map(NAME.fullmatch, names) if named and int(named[1]))


def read_files(pipeline: str) -> dict[int, bytes]:
    """Return the files of the records, by their numbers and in that order.

    Raises
    ------
    LakeError
        If the lake cannot be read.
    """
    numbers = record_numbers(pipeline)
    paths = [record_file(pipeline, number) for number in numbers]
    if not paths or _is_local(paths[0]):
        return dict(zip(numbers, map(read_file, paths), strict=True))
    with ThreadPoolExecutor(READERS) as readers:  # of a store, most of the time is waiting
        return dict(zip(numbers, readers.map(read_file, paths), strict=True))


def read_file(path: UPath) -> bytes:
    """Return what one file holds.

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
    """Write a file whole or not at all, unless there is one of this name.

    Of two writers at once one wins and the other is told: on a local file system with hard links, which refuses a
    link whose name is taken, on S3 (`If-None-Match`), Google Cloud Storage (`ifGenerationMatch`) and Azure.

    Not every place can refuse. A file system without hard links, an S3 look-alike that ignores the condition, and a
    store whose package has no exclusive write are looked at first and written then: there, two writers at the very
    same moment may both write, and the later one stands.

    Raises
    ------
    FileExistsError
        If there is one; it is as it was.
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
    if target.parent.exists() and not target.parent.is_dir():  # it exists, and is not what the caller asked for
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
    """Make a new name in a folder outlast a loss of power, where the system can be asked to."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create_object(path: UPath, content: bytes) -> None:
    store = path.fs
    store.invalidate_cache()  # what was listed a while ago does not say what is there now
    if store.exists(path.path):  # a package that knows no `create` would write over it
        raise FileExistsError(path)
    try:
        store.pipe_file(path.path, content, mode="create")
    except FileExistsError:
        raise
    except OSError as error:  # not every S3 says which condition was not met
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
