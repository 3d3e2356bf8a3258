"""Small files beside the lake's tables: staged batches, and what the steps of a run leave."""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import settings
from include.errors import LakeError, RunMissing

if TYPE_CHECKING:
    from upath import UPath


def staged_folder(pipeline: str, source: str) -> UPath:
    """Return the folder of a source's staged batches."""
    return _folder(pipeline, "staged", source)


def run_folder(pipeline: str, run_key: str) -> UPath:
    """Return the folder of one retraining run; a run's key is unique to its DAG run."""
    name = re.sub(r"[^A-Za-z0-9_.=-]+", "-", run_key)
    name = re.sub(r"^\.", "-", name)  # `..` would lead out of the folder
    if name != run_key:  # two keys that differ in what was replaced only must not share a folder
        name = f"{name}-{hashlib.sha256(run_key.encode()).hexdigest()[:8]}"
    return _folder(pipeline, "runs", name)


def write_bytes(path: UPath, content: bytes) -> None:
    """Write a file whole or not at all; a reader never meets a part of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.protocol not in ("", "file"):
            path.write_bytes(content)  # an object store shows an object only when it is complete
            return
        target = Path(path.path)
        scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with scratch.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise LakeError(
            f"{path} could not be written ({error.strerror or error}); check LAKE_URI's permissions and free "
            "space, then run this task again"
        ) from error


def write_json(path: UPath, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_bytes(path, json.dumps(content, indent=1, sort_keys=True).encode())


def read_json(path: UPath, what: str) -> Any:
    """Read a JSON file that an earlier step left.

    Raises
    ------
    RunMissing
        If it is not there; `what` says in words what was looked for.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunMissing(f"{what} is not at {path}; run the earlier task that leaves it again") from error


def _folder(pipeline: str, *parts: str) -> UPath:
    from upath import UPath

    try:
        return UPath(settings.lake_uri(), pipeline, *parts)
    except ImportError as error:
        raise LakeError(
            f"LAKE_URI is {settings.lake_uri()}, and the package for such a store is not installed ({error}); "
            "install it (s3fs, gcsfs or adlfs) beside requirements.txt"
        ) from error
