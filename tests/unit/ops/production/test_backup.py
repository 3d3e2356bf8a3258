"""A backup's own folder, and records that are written while it is made."""

from __future__ import annotations

import fcntl
import hashlib
from typing import TYPE_CHECKING

import pytest

from include.core.errors import BackupFailed
from include.ops.production import backup
from include.ops.production.archive import Archive
from include.ops.production.backup import back_up

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_backup_at_the_same_time_is_refused(tmp_path: Path) -> None:
    """It would remove what the first backup is writing."""
    (tmp_path / "backups").mkdir()
    with (tmp_path / "backups" / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BackupFailed, match="another backup is being written"):
            back_up(tmp_path / "backups")

    assert back_up(tmp_path / "backups").is_dir()


def test_an_unwritable_folder_is_reported_in_one_sentence(tmp_path: Path) -> None:
    """The sentence names the path, which is a file here."""
    (tmp_path / "backups").write_text("a file")

    with pytest.raises(BackupFailed, match=r"backups could not be read or written \(.*exists\).*nothing was left"):
        back_up(tmp_path / "backups")


def test_a_backup_is_for_its_owner_and_in_a_setgid_folder_for_the_group_too(tmp_path: Path, home: Path) -> None:
    """A container writes as its own user, so its group must be able to read and remove the backup."""
    (home / "lake" / "shop" / "records").mkdir(parents=True)
    (home / "lake" / "shop" / "records" / "00000001.json").write_text("{}")
    modes = {}
    for name, mode in (("own", 0o700), ("shared", 0o2770)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
        made = back_up(tmp_path / name)
        files = {path.stat().st_mode & 0o7777 for path in made.iterdir()}
        modes[name] = (made.stat().st_mode & 0o7777, files)

    assert modes == {"own": (0o700, {0o600}), "shared": (0o2770, {0o640})}


def test_a_full_disk_leaves_no_partial_backup(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The partial backup is removed, which frees its space."""
    (home / "lake" / "shop" / "records").mkdir(parents=True)
    (home / "lake" / "shop" / "records" / "00000001.json").write_text("{}")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "lake-decisions.tar")

    monkeypatch.setattr(backup.os, "fsync", full)
    with pytest.raises(BackupFailed, match="No space left on device"):
        back_up(tmp_path / "backups")

    assert [path.name for path in (tmp_path / "backups").iterdir()] == [".lock"]


def test_a_record_that_a_listing_missed_is_copied(tmp_path: Path) -> None:
    """The copied chain has no gap; its head is the last listed record."""
    records = tmp_path / "shop" / "records"
    records.mkdir(parents=True)
    for number in (1, 2, 3):
        (records / f"{number:08d}.json").write_text(str(number))

    with Archive(tmp_path / "decisions.tar") as archive:
        for number in (1, 3):
            archive.add(tmp_path, f"shop/records/{number:08d}.json")
        heads = backup._complete_records(archive, tmp_path)

    assert sorted(archive.sizes) == [f"shop/records/{number:08d}.json" for number in (1, 2, 3)]
    assert heads == {"shop": hashlib.sha256(b"3").hexdigest()}
