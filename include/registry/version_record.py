"""Read the inputs of a registered version, as its run recorded them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.core.errors import ModelRefused
from include.registry.champion import get_version
from include.registry.client import mlflow_client
from include.registry.load_model import fetch_model
from include.training.model_file import load_model

if TYPE_CHECKING:
    from collections.abc import Collection

    from sklearn.pipeline import Pipeline as Model

    from include.core.json_value import JsonObject


@dataclass(frozen=True)
class VersionRecord:
    """A registered version and the documents of its run.

    Attributes
    ----------
    plan, challenger
        The documents of these names, as JSON types.
    manifest
        Digest of the version's manifest; None in a version of a release without manifests.
    definition
        The pipeline's own files at the time of the run, by their path in its folder.
    """

    name: str
    version: int
    source: str
    sha256: str
    manifest: str | None
    plan: JsonObject
    challenger: JsonObject
    definition: dict[str, str]


def read_record(name: str, version: int) -> VersionRecord:
    """Return the inputs of a registered version.

    Raises
    ------
    ModelRefused
        If there is no such version, or its run recorded too little to replay it.
    TrackingUnavailable
        If MLflow does not answer.
    """
    import mlflow

    with (
        mlflow_client(f"reading the inputs of version {version} of {name}") as client,
        TemporaryDirectory(prefix="record-") as folder,
    ):
        found = get_version(client, name, version)
        files = Path(mlflow.artifacts.download_artifacts(run_id=found.run_id, dst_path=folder))
        documents = {path: files / f"{path}.json" for path in ("plan", "challenger")}
        missing = [path.name for path in documents.values() if not path.is_file()]
        definition = {
            path.relative_to(files / "pipeline").as_posix(): path.read_text(encoding="utf-8")
            for path in sorted((files / "pipeline").rglob("*"))
            if path.is_file()
        }
        if missing or not definition or "nightshift.sha256" not in found.tags:
            lacking = ", ".join(missing) or "pipeline/"
            raise ModelRefused(
                f"the run of version {version} of {name} recorded no {lacking}, so the version cannot be replayed; "
                "choose a version that this or a later release of Nightshift registered"
            )
        read = {path: json.loads(file.read_text(encoding="utf-8")) for path, file in documents.items()}
    return VersionRecord(
        name,
        version,
        found.source,
        found.tags["nightshift.sha256"],
        found.tags.get("nightshift.manifest"),
        **read,
        definition=definition,
    )


def load_version(record: VersionRecord, trusted: Collection[str] = ()) -> Model:
    """Verify the files of a registered version and load its model."""
    with TemporaryDirectory(prefix="version-") as folder:
        path = fetch_model(record.name, record.source, record.manifest, folder, f"version {record.version}")
        return load_model(path, record.sha256, trusted)
