"""Folders of temporary files, which are gone when their work is done."""

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
    """Give a local folder of temporary files, which is gone when the context ends.

    Raises
    ------
    LakeError
        If it cannot be made, or what is written there does not fit.
    """
    try:
        with TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        raise LakeError(
            f"temporary files could not be written ({error.strerror or error}); make room in the folder of temporary "
            "files, or name a larger one in TMPDIR, then run this task again; nothing was published"
        ) from error
