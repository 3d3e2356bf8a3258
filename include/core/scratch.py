"""Folders of temporary files, which are removed after use."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.core.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Yield a local folder for temporary files, which is removed afterwards.

    Raises
    ------
    LakeError
        If the folder cannot be created, or its files do not fit on the disk.
    """
    try:
        with TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        raise LakeError(
            f"temporary files could not be written ({error.strerror or error}); make room in the folder of temporary "
            "files, or name a larger one in TMPDIR, then run this task again; nothing was published"
        ) from error
