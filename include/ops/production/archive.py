"""Tar archives for backups, and their safe unpacking.

The archives are not compressed: Parquet and model files are compressed already, and deduplicating storage finds equal
blocks in the archives of two days.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from include.core.errors import BackupFailed, RestoreRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes per read and write.
BLOCK = 1 << 20

#: Largest file in bytes that is read as a whole before it is written.
READ_AT_ONCE = 8 << 20

#: Prefix of the folder for unpacking, inside the folder that a restore fills.
UNPACKING = ".restoring-"


class Archive:
    """An archive during writing.

    Attributes
    ----------
    sizes
        Size of each archived file in bytes, by its path in the archive.
    left_out
        Symlinks and special files, which are neither followed nor copied.
    """

    def __init__(self, path: Path) -> None:
        self.sizes: dict[str, int] = {}
        self.left_out: list[str] = []
        self._file = path.open("xb")
        self._tar = tarfile.open(  # type: ignore[call-overload]  # typeshed lacks copybufsize  # noqa: SIM115
            fileobj=self._file, mode="w|", bufsize=BLOCK, copybufsize=BLOCK
        )

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def add(self, root: Path, relative: str) -> None:
        """Add a file by its path below a folder; skip a file that was removed after the listing.

        Raises
        ------
        BackupFailed
            If the file became shorter during the copy, which never happens to files of a lake or a model.
        """
        path = root / relative
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                self.left_out.append(str(path))
                return
            content = path.open("rb")
        except FileNotFoundError:
            return
        with content:
            about = os.fstat(content.fileno())
            member = tarfile.TarInfo(relative)
            member.size, member.mtime, member.mode = about.st_size, about.st_mtime, stat.S_IMODE(about.st_mode)
            # MLflow overwrites small files in place, so they are read as a whole
            whole = io.BytesIO(content.read()) if about.st_size <= READ_AT_ONCE else None
            if whole:
                member.size = len(whole.getbuffer())
            try:
                self._tar.addfile(member, whole or content)
            except OSError as error:
                if error.errno is not None:
                    raise
                raise BackupFailed(
                    f"{path} became shorter while it was copied; find out what changes it in place, then run this again"
                ) from error
        self.sizes[relative] = member.size


def files_below(folder: Path) -> Iterator[str]:
    """Yield the sorted paths of all files and symlinks below a folder; follow no symlink."""
    for at, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(at) / name).is_symlink()]
        for name in sorted([*names, *links]):
            yield (Path(at) / name).relative_to(folder).as_posix()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an archive into a new folder inside its target, and return the new folder.

    The unpacked files are on the target's file system, so that `move_in` only renames them.

    Raises
    ------
    RestoreRefused
        If a member is not a regular file, or its path leads out of the folder.
    """
    inside = folder / f"{UNPACKING}{uuid.uuid4().hex}"
    inside.mkdir(parents=True)
    try:
        with tarfile.open(archive, mode="r|", bufsize=BLOCK) as tar:
            for member in tar:
                _unpack_file(tar, member, inside)
    except tarfile.TarError as error:
        raise RestoreRefused(
            f"{archive} cannot be unpacked ({error}); nothing was restored from it; use another backup"
        ) from error
    return inside


def _unpack_file(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    # not tarfile's own filters, which came with Python 3.11.4: Debian's Python is older
    path = PurePosixPath(member.name)
    content = tar.extractfile(member) if member.isfile() else None
    if content is None or path.is_absolute() or ".." in path.parts:
        raise tarfile.TarError(f"'{member.name}' is not a regular file below the folder")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        shutil.copyfileobj(content, file, BLOCK)
    target.chmod(member.mode & 0o755)
    os.utime(target, (member.mtime, member.mtime))


def move_in(unpacked: Path, folder: Path) -> None:
    """Move unpacked files into their target; merge folders, and replace no file."""
    for path in sorted(unpacked.iterdir()):
        target = folder / path.name
        if path.is_dir() and target.is_dir():
            move_in(path, target)
        else:
            path.rename(target)
    unpacked.rmdir()


def is_empty(folder: Path) -> bool:
    """Return whether a folder is empty or missing.

    The remains of an interrupted unpacking and the folder `lost+found` of a new disk do not count.
    """
    if not folder.exists():
        return True
    return all(path.name.startswith(UNPACKING) or path.name == "lost+found" for path in folder.iterdir())


def clear_unpacked(folder: Path) -> None:
    """Remove the remains of an interrupted unpacking."""
    for left in folder.glob(f"{UNPACKING}*"):
        shutil.rmtree(left)
