"""Proves that the models of recorded versions are those that were registered."""

from __future__ import annotations

import hashlib
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.errors import ModelRefused
from include.tracking.champion import fetch_model, find_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from include.records.record import Record


def prove_models(pipeline: str, records: list[Record]) -> list[str]:
    """Return what is wrong with the model files of the versions that records name, in sentences.

    Each version's files are downloaded and held against its manifest in the lake, and its model file against the
    digest that it was registered with.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer.
    """

    def prove(version: int) -> None:
        found, what = find_version(pipeline, version), f"version {version}"
        with TemporaryDirectory(prefix="proof-") as folder:
            path = fetch_model(found.pipeline, found.source, found.manifest, folder, what)
            refuse_other_file(path, found.sha256, what)

    return problems_of(records, prove)


def problems_of(records: Iterable[Record], prove: Callable[[int], None]) -> list[str]:
    """Return what is wrong with the versions that records name, in sentences.

    Parameters
    ----------
    prove
        Raises ModelRefused where a version is not as it was registered.
    """
    problems = []
    for record in records:
        version = record.content.get("challenger_version") if record.kind == "retrain" else None
        if version is None:
            continue
        try:
            prove(version)
        except ModelRefused as error:
            problems.append(f"record {record.number}: {error}")
    return problems


def refuse_other_file(path: Path, sha256: str | None, what: str) -> None:
    """Refuse a version whose model file is not the one that was registered.

    Raises
    ------
    ModelRefused
        If it has another digest, or is not there.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    if digest != sha256:
        raise ModelRefused(
            f"the model file of {what} {f'has the SHA-256 {digest[:12]}…' if digest else 'is not there'}, and "
            f"was registered with {(sha256 or 'none')[:12]}…"
        )
