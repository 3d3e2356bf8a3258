"""Small files beside the lake's tables: staged batches, and the files that the steps of a run write."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.core import settings
from include.core.errors import LakeError, OtherRelease, RunMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upath import UPath


def staged_folder(pipeline: str, source: str) -> UPath:
    """Return the folder of a source's staged batches."""
    return _path(pipeline, "staged", source)


def run_folder(pipeline: str, run_key: str) -> UPath:
    """Return the folder of one retraining run; each DAG run has its own key."""
    return _path(pipeline, "runs", file_name(run_key))


def validations_folder(pipeline: str, source: str) -> UPath:
    """Return the folder of the pages of a source's validations."""
    return _path(pipeline, "validations", source)


def feature_page(pipeline: str) -> UPath:
    """Return the path of a pipeline's feature page, which lies beside the feature table."""
    return _path(pipeline, "features.html")


def feature_page_content(pipeline: str) -> UPath:
    """Return the path of what a pipeline's feature page shows but the champion, who may change after it was made."""
    return _path(pipeline, "features.page.json")


def records_folder(pipeline: str) -> UPath:
    """Return the folder of a pipeline's records, which are never removed."""
    return _path(pipeline, "records")


def manifests_folder(pipeline: str) -> UPath:
    """Return the folder with the digests of the files of every registered model."""
    return _path(pipeline, "manifests")


def locks_folder(pipeline: str) -> UPath:
    """Return the folder of the lease under which the champion changes."""
    return _path(pipeline, "locks")


def file_name(run_key: str) -> str:
    """Return a unique name of a file or folder for a run's key."""
    name = re.sub(r"[^A-Za-z0-9_.=-]+", "-", run_key)
    name = re.sub(r"^\.", "-", name)  # `..` would lead out of the folder
    if name != run_key:  # two keys may differ only in replaced characters
        name = f"{name}-{hashlib.sha256(run_key.encode()).hexdigest()[:8]}"
    return name


def write_bytes(path: UPath, content: bytes) -> None:
    """Write a file whole or not at all; no reader sees a part of it."""
    with _whole(path) as scratch:
        scratch.write_bytes(content)


def put_file(file: Path, path: UPath) -> None:
    """Copy a local file into the lake, whole or not at all."""
    with _whole(path) as scratch:
        shutil.copyfile(file, scratch)


@contextmanager
def local_copy(path: UPath) -> Iterator[Path]:
    """Yield the local path of a file of the lake; for an object store, of a copy that is removed afterwards.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    """
    if _is_local(path):
        if not Path(path.path).is_file():
            raise FileNotFoundError(str(path))
        yield Path(path.path)
        return
    with TemporaryDirectory(prefix="copy-") as folder:
        local = Path(folder) / path.name
        path.fs.get_file(path.path, str(local))
        yield local


def write_json(path: UPath, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_bytes(path, json.dumps(content, indent=1, sort_keys=True).encode())


def read_json(path: UPath, what: str) -> Any:
    """Read a JSON file of an earlier step.

    Raises
    ------
    RunMissing
        If the file does not exist; the error names it by `what`.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunMissing(f"{what} is not at {path}; run the earlier task that writes it again") from error


@contextmanager
def refuse_other_release(what: str, where: object) -> Iterator[None]:
    """Turn errors about missing, unknown or mistyped fields into a sentence about another release.

    Parameters
    ----------
    what, where
        Name and place of what the block reads, for the sentence.

    Raises
    ------
    OtherRelease
        If the block raises such an error.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        lacks = f"it lacks {error}" if isinstance(error, KeyError) else (str(error).splitlines() or ["no reason"])[0]
        raise OtherRelease(
            f"{what} at {where} was written by another release of Nightshift ({lacks}); "
            "start a new run, or finish this one with the release that began it"
        ) from error


@contextmanager
def _whole(path: UPath) -> Iterator[Path]:
    """Yield a local file to fill, and move it to `path` afterwards."""
    try:
        if not _is_local(path):
            with TemporaryDirectory(prefix="write-") as folder:
                scratch = Path(folder) / path.name
                yield scratch
                path.fs.put_file(str(scratch), path.path)  # an object store shows only complete objects
            return
        target = Path(path.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            yield scratch
            with scratch.open("rb") as file:
                os.fsync(file.fileno())
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise LakeError(
            f"{path} could not be written ({error.strerror or error}); check LAKE_URI's permissions and free "
            "space, then run this task again"
        ) from error


def _is_local(path: UPath) -> bool:
    return path.protocol in ("", "file")


def _path(pipeline: str, *parts: str) -> UPath:
    from upath import UPath

    uri = settings.lake_uri()
    try:
        path = UPath(uri, pipeline, *parts)
        _ = path.fs  # fails here if the store's package is missing, instead of at the first file
    except ImportError as error:
        raise LakeError(
            f"LAKE_URI is {uri}, and the package for this kind of store is not installed ({error}); "
            "install s3fs, gcsfs or adlfs in addition to requirements.txt"
        ) from error
    return path
