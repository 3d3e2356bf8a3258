"""The manifest of a backup, `backup.json`: it is written last and contains no secret."""

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

#: Format of the backups of this release; increased when an older release cannot read them.
FORMAT = 1


@dataclass(frozen=True)
class BackupPart:
    """A file of a backup; `bytes` is its size."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class BackupManifest:
    """What a backup contains.

    Attributes
    ----------
    made_at
        ISO time in UTC at which the backup began.
    versions
        Versions of Nightshift's code, Airflow and MLflow.
    parts
        Files by part name; a missing part was not copied.
    folders
        Folders of MLflow's files and of the lake.
    fernet
        Digest of the key that encrypts Airflow's database; the key itself is not in the backup.
    heads
        Digest of each pipeline's last decision record.
    notes
        Sentences about what the backup lacks.
    """

    made_at: str
    versions: dict[str, str]
    parts: dict[str, BackupPart]
    folders: dict[str, str]
    fernet: str | None
    heads: dict[str, str]
    notes: list[str]

    def write(self, folder: Path) -> None:
        """Write the manifest into the backup's folder."""
        content = {"format": FORMAT} | asdict(self)
        text = json.dumps(content | {"sha256": _digest(content)}, indent=1, ensure_ascii=False)
        write_private(folder / NAME, text + "\n")


def read_manifest(folder: Path) -> BackupManifest:
    """Return the manifest of a backup, without checking the backup's parts.

    Raises
    ------
    RestoreRefused
        If the folder is not a backup, the manifest was changed, or a newer release wrote it.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_bytes())
        form, digest = int(content["format"]), content.pop("sha256", None)
    except FileNotFoundError as error:
        there = sorted(each.parent.name for each in folder.glob(f"*/{NAME}")) if folder.is_dir() else []
        hint = f"; the newest backup in it is {folder / there[-1]}" if there else ""
        raise RestoreRefused(
            f"{folder} is not a backup: it has no {NAME}{hint}; name the folder of a backup"
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RestoreRefused(f"{path} cannot be read ({error}); use another backup; nothing was restored") from error
    if form > FORMAT:
        raise RestoreRefused(
            f"{folder} has the format {form}, and this release reads formats up to {FORMAT}; restore it with the "
            f"release that wrote it or a newer one (code {content.get('versions', {}).get('nightshift', 'unknown')})"
        )
    if digest != _digest(content):
        raise RestoreRefused(f"{path} was changed after the backup; use another backup; nothing was restored")
    del content["format"]
    return BackupManifest(**content | {"parts": {name: BackupPart(**part) for name, part in content["parts"].items()}})


def _digest(content: dict[str, Any]) -> str:
    form = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(form.encode()).hexdigest()
