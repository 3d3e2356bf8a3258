"""What a backup says of itself: `backup.json`, written last, without a secret in it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include.core.errors import RestoreRefused
from include.core.private_file import write_private

if TYPE_CHECKING:
    from pathlib import Path

NAME = "backup.json"

#: The form of backups that this release writes; it is raised when an older release could not read it.
FORMAT = 1


@dataclass(frozen=True)
class Part:
    """A file of the backup; `bytes` is its size."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class BackupManifest:
    """A backup as a whole.

    Attributes
    ----------
    made_at
        ISO time in UTC at which it was begun.
    versions
        Of Nightshift's code, Airflow and MLflow.
    parts
        By their names; one that is not there was not copied.
    folders
        Where MLflow's files and the lake were.
    fernet
        Digest of the key that Airflow's database is encrypted with; the key is not in the backup.
    heads
        The digest of each pipeline's last record.
    notes
        What is not in it, in sentences.
    """

    made_at: str
    versions: dict[str, str]
    parts: dict[str, Part]
    folders: dict[str, str]
    fernet: str | None
    heads: dict[str, str]
    notes: list[str]

    def write(self, folder: Path) -> None:
        """Write it into the folder of the backup."""
        content = {"format": FORMAT} | asdict(self)
        text = json.dumps(content | {"sha256": _digest(content)}, indent=1, ensure_ascii=False)
        write_private(folder / NAME, text + "\n")


def read_manifest(folder: Path) -> BackupManifest:
    """Return what a backup says of itself; its parts are not looked at yet.

    Raises
    ------
    RestoreRefused
        If it is no backup, was changed, or is of a release that is newer than this one.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_bytes())
        form, digest = int(content["format"]), content.pop("sha256", None)
    except FileNotFoundError as error:
        there = sorted(each.parent.name for each in folder.glob(f"*/{NAME}")) if folder.is_dir() else []
        hint = f"; the newest backup in it is {folder / there[-1]}" if there else ""
        raise RestoreRefused(f"{folder} is not a backup: it has no {NAME}{hint}; name the folder of one") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RestoreRefused(f"{path} cannot be read ({error}); take another backup; nothing was restored") from error
    if form > FORMAT:
        raise RestoreRefused(
            f"{folder} has the format {form}, and this release reads formats up to {FORMAT}; restore it with the "
            f"release that wrote it or a newer one (code {content.get('versions', {}).get('nightshift', 'unknown')})"
        )
    if digest != _digest(content):
        raise RestoreRefused(f"{path} is not as it was written; take another backup; nothing was restored")
    del content["format"]
    return BackupManifest(**content | {"parts": {name: Part(**part) for name, part in content["parts"].items()}})


def _digest(content: dict[str, Any]) -> str:
    form = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(form.encode()).hexdigest()
