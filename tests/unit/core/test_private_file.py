"""What only its owner may read is never there for others, nor by halves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from include.core.private_file import write_private

if TYPE_CHECKING:
    from pathlib import Path


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Even if a readable file was in its place, and a killed process left a scratch file."""
    path = tmp_path / "secrets.json"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / f".secrets.json.{os.getpid()}").write_text("a part")

    write_private(path, "new")

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_if_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a new secret would be used for ever."""
    path = tmp_path / "secrets.json"
    write_private(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_private(path, "new")

    assert path.read_text() == "old"
