"""Tar archives that are hashed while they are written, and unpacked without leading anywhere else.

Not compressed: Parquet, model files and pictures are compressed already, and a store that keeps equal blocks once
finds those of yesterday's archive in today's.
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

#: Bytes that are read and written at once.
BLOCK = 1 << 20

#: Bytes up to which a file is read before it is written.
READ_AT_ONCE = 8 << 20

#: How the folder begins into which a restore unpacks, inside of the one that it fills.
UNPACKING = ".restoring-"


class Archive:
    """An archive that files are added to.

    Attributes
    ----------
    sizes
        Bytes of each file that is in it, by its path there.
    left_out
        Symlinks and special files, which are not followed or copied.
    """

    def __init__(self, path: Path) -> None:
        self.sizes: dict[str, int] = {}
        self.left_out: list[str] = []
        self._file = path.open("xb")
        self._tar = tarfile.open(fileobj=self._file, mode="w|", bufsize=BLOCK, copybufsize=BLOCK)  # noqa: SIM115

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def add(self, root: Path, relative: str) -> None:
        """Add a file by its path below a folder; one that was removed since it was listed is not there.

        Raises
        ------
        BackupFailed
            If it became shorter while it was read, which no file of a lake or a model does.
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
            # MLflow writes small files over in place, so they are read at once
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
    """Yield the paths of all that is below a folder and is not a folder, sorted; no symlink is followed."""
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
    """Unpack an archive into a new folder inside of the one that it is for, and return that.

    What is unpacked is on the file system of its later place, which `move_in` then gives it by renaming.

    Raises
    ------
    RestoreRefused
        If a member is no plain file, or leads out of the folder.
    """
    inside = folder / f"{UNPACKING}{uuid.uuid4().hex}"
    inside.mkdir(parents=True)
    try:
        with tarfile.open(archive, mode="r|", bufsize=BLOCK) as tar:
            for member in tar:
                _unpack_file(tar, member, inside)
    except tarfile.TarError as error:
        raise RestoreRefused(
            f"{archive} cannot be unpacked ({error}); nothing was put in place; take another backup"
        ) from error
    return inside


def _unpack_file(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    # not tarfile's own way: its filters came with Python 3.11.4, and Debian's is older
    path = PurePosixPath(member.name)
    content = tar.extractfile(member) if member.isfile() else None
    if content is None or path.is_absolute() or ".." in path.parts:
        raise tarfile.TarError(f"'{member.name}' is no plain file below the folder")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        shutil.copyfileobj(content, file, BLOCK)
    target.chmod(member.mode & 0o755)
    os.utime(target, (member.mtime, member.mtime))


def move_in(unpacked: Path, folder: Path) -> None:
    """Give what was unpacked its place below a folder; folders that both have are merged, no file is replaced."""
    for path in sorted(unpacked.iterdir()):
        target = folder / path.name
        if path.is_dir() and target.is_dir():
            move_in(path, target)
        else:
            path.rename(target)
    unpacked.rmdir()


def is_empty(folder: Path) -> bool:
    """Return whether a folder has nothing in it, or is not there.

    What a broken-off unpacking left is nothing, and so is the folder that a new disk has of its own.
    """
    if not folder.exists():
        return True
    return all(path.name.startswith(UNPACKING) or path.name == "lost+found" for path in folder.iterdir())


def clear_unpacked(folder: Path) -> None:
    """Remove what a broken-off unpacking left in a folder."""
    for left in folder.glob(f"{UNPACKING}*"):
        shutil.rmtree(left)
