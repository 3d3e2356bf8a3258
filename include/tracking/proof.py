"""Proves that the models of recorded versions are those that were registered."""

from __future__ import annotations

import hashlib
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.errors import ModelRefused
from include.tracking.champion import fetch_model, find_version

if TYPE_CHECKING:
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
    problems = []
    for record in records:
        version = record.content.get("challenger_version") if record.kind == "retrain" else None
        if version is None:
            continue
        try:
            found = find_version(pipeline, version)
            with TemporaryDirectory(prefix="proof-") as folder:
                path = fetch_model(found.pipeline, found.source, found.manifest, folder, f"version {version}")
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except ModelRefused as error:
            problems.append(f"record {record.number}: {error}")
            continue
        if digest != found.sha256:
            problems.append(
                f"record {record.number}: the model file of version {version} has the SHA-256 {digest[:12]}…, and was "
                f"registered with {found.sha256[:12]}…"
            )
    return problems
