"""The manifest of a backup."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from include.core.errors import RestoreRefused
from include.ops.production import backup_manifest as module
from include.ops.production.backup_manifest import BackupManifest, BackupPart, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = BackupManifest(
    made_at="2024-03-20T23:51:00+00:00",
    versions={"nightshift": "abc", "airflow": "3.3.2", "mlflow": "3.17.2"},
    parts={"mlflow": BackupPart("mlflow.sqlite", 5, "0" * 64)},
    folders={"lake": "/srv/lake"},
    fernet=None,
    heads={"shop": "1" * 64},
    notes=["airflow: there is no database"],
)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every field is read back unchanged, and only the owner can read the file."""
    MANIFEST.write(tmp_path)

    assert read_manifest(tmp_path) == MANIFEST
    assert (tmp_path / module.NAME).stat().st_mode & 0o077 == 0


def test_a_newer_format_is_refused_with_the_release_that_wrote_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older release does not guess at a newer format."""
    with monkeypatch.context() as newer:
        newer.setattr(module, "FORMAT", module.FORMAT + 1)
        MANIFEST.write(tmp_path)

    with pytest.raises(RestoreRefused, match=r"has the format 2, and this release reads formats up to 1.*code abc"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "new"}', "\x00"])
def test_an_invalid_manifest_is_refused(tmp_path: Path, text: str) -> None:
    """Half a file, another file, or none of our fields."""
    (tmp_path / module.NAME).write_text(text)

    with pytest.raises(RestoreRefused, match="cannot be read"):
        read_manifest(tmp_path)


def test_an_edited_field_is_refused(tmp_path: Path) -> None:
    """A replaced digest is noticed, unless its author knows how it is computed."""
    MANIFEST.write(tmp_path)
    content = json.loads((tmp_path / module.NAME).read_text())
    content["parts"]["mlflow"]["sha256"] = "2" * 64
    (tmp_path / module.NAME).write_text(json.dumps(content))

    with pytest.raises(RestoreRefused, match="was changed after the backup"):
        read_manifest(tmp_path)


def test_a_folder_of_backups_names_the_newest(tmp_path: Path) -> None:
    """The sentence for the parent folder names the newest backup in it."""
    for name in ("nightshift-1", "nightshift-2"):
        (tmp_path / name).mkdir()
        MANIFEST.write(tmp_path / name)

    with pytest.raises(RestoreRefused, match=r"the newest backup in it is .*nightshift-2; name the folder of a backup"):
        read_manifest(tmp_path)
