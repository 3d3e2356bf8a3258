"""The manifest of a model: size and SHA-256 of each of its files, kept in the lake, apart from MLflow.

Somebody who can change files and tags in MLflow cannot change the manifest, which is the file
`<lake>/<pipeline>/manifests/<id of the logged model>.json`. The version's tag `nightshift.manifest` is its digest.
"""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from include.core.errors import LakeError, ModelRefused
from include.lake import run_files
from include.registry.records.files import create_file

if TYPE_CHECKING:
    from pathlib import Path

    from upath import UPath


@dataclass(frozen=True)
class ModelFile:
    """Digest and size in bytes of a file of a model."""

    sha256: str
    size: int


def files_of(folder: Path, what: str) -> dict[str, ModelFile]:
    """Return the files of a model's folder, by their path in it.

    Raises
    ------
    ModelRefused
        If the folder contains anything but files and folders, such as a symlink.
    """
    return {path: _measure_file(folder / path) for path in _listed(folder, what)}


def keep_manifest(name: str, model_id: str, files: dict[str, ModelFile]) -> str:
    """Write the manifest of a logged model, and return its digest.

    Raises
    ------
    ModelRefused
        If there is another manifest of this model.
    LakeError
        If it cannot be written.
    """
    content = {"pipeline": name, "model_id": model_id, "files": {path: asdict(file) for path, file in files.items()}}
    text = json.dumps(content, indent=1, sort_keys=True).encode()
    path = manifest_file(name, model_id)
    try:
        create_file(path, text)
    except FileExistsError as error:
        if path.fs.cat_file(path.path) != text:
            raise ModelRefused(
                f"the model {model_id} has another manifest at {path}, and a manifest is never changed; find out who "
                "wrote it, and start a new run"
            ) from error
    return hashlib.sha256(text).hexdigest()


def read_manifest(name: str, model_id: str, digest: str | None, what: str) -> dict[str, ModelFile] | None:
    """Return the files that a manifest lists, or None for a version of a release without manifests.

    Parameters
    ----------
    digest
        Digest of the manifest in the version's tag; None if the version has no such tag.

    Raises
    ------
    ModelRefused
        If the manifest is missing, is not the one that the version names, or cannot be parsed.
    LakeError
        If the lake cannot be read.
    """
    path = manifest_file(name, model_id)
    try:
        text = path.fs.cat_file(path.path)
    except FileNotFoundError as error:
        if digest is None:
            return None
        raise ModelRefused(
            f"the manifest of the model of {what} is not at {path}, so its files cannot be verified; restore it, or "
            "promote another version"
        ) from error
    except OSError as error:
        raise LakeError(f"{path} cannot be read ({error}); check LAKE_URI, then run this task again") from error
    if hashlib.sha256(text).hexdigest() != digest:
        named = f"names the SHA-256 {digest[:12]}…" if digest else "has lost its tag nightshift.manifest"
        raise ModelRefused(
            f"{path} is not the manifest that was written with the model of {what}: MLflow {named}; find out who "
            "changed it, and promote another version"
        )
    try:
        content = json.loads(text)
        files = {each: ModelFile(str(file["sha256"]), int(file["size"])) for each, file in content["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelRefused(f"{path} is not a valid manifest ({error}); promote another version") from error
    for each in files:
        if _leads_out(each):
            raise ModelRefused(f"{path} names '{each}', which is outside of the model's folder; nothing was read")
    return files


def verify_folder(folder: Path, files: dict[str, ModelFile], what: str) -> None:
    """Verify that a folder has exactly the files of a manifest, before any of them is loaded.

    Raises
    ------
    ModelRefused
        If a file is missing, changed, new or a symlink, or if a member of an archive leads out of its folder.
    """
    found = _listed(folder, what)
    unknown, missing = sorted(set(found) - set(files)), sorted(set(files) - set(found))
    if unknown:
        raise ModelRefused(
            f"the model of {what} holds {', '.join(unknown[:5])}, which was not registered with it; nothing was "
            "loaded; find out who put it there, and promote another version"
        )
    if missing:
        raise ModelRefused(
            f"the model of {what} lacks {', '.join(missing[:5])}, which was registered with it; restore it, or promote "
            "another version"
        )
    for path in found:
        measured, registered = _measure_file(folder / path), files[path]
        if measured != registered:
            raise ModelRefused(
                f"{path} has the SHA-256 {measured.sha256[:12]}… ({measured.size:,} bytes) and the registered one is "
                f"{registered.sha256[:12]}… ({registered.size:,} bytes): the file was changed after it was written; "
                f"restore it, or promote another version than {what}"
            )
        _refuse_members_that_lead_out(folder / path)


def refuse_symlinks(folder: Path, what: str) -> None:
    """Refuse a model's folder that contains a symlink, without following it."""
    _listed(folder, what)


def manifest_file(name: str, model_id: str) -> UPath:
    """Return the path of the manifest of a logged model."""
    return run_files.manifests_folder(name) / f"{run_files.file_name(model_id)}.json"


def _listed(folder: Path, what: str) -> list[str]:
    """Return the sorted paths of all files below a folder, without following or opening any."""
    paths = []
    for path in sorted(folder.rglob("*")):  # lists a symlink to a folder without entering it
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            kind = "a symlink" if stat.S_ISLNK(mode) else "not an ordinary file"
            raise ModelRefused(
                f"{path.relative_to(folder).as_posix()} in the model of {what} is {kind}, which no model has; nothing "
                "was loaded; find out who put it there, and promote another version"
            )
        paths.append(path.relative_to(folder).as_posix())
    return paths


def _measure_file(path: Path) -> ModelFile:
    with path.open("rb") as file:
        return ModelFile(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def _leads_out(path: str) -> bool:
    parts = PurePosixPath(path)
    return not path or "\\" in path or ":" in path or "\0" in path or parts.is_absolute() or ".." in parts.parts


def _refuse_members_that_lead_out(path: Path) -> None:
    """Refuse an archive whose members lead out of its folder or through a symlink, should anybody unpack it."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if _leads_out(member.filename) or stat.S_ISLNK(member.external_attr >> 16):
                raise ModelRefused(
                    f"{path.name} has a member '{member.filename}' that leads out of the archive, which no model has; "
                    "nothing was loaded"
                )
