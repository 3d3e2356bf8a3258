"""Reads what a registered version was made from, as its run recorded it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.errors import ModelRefused
from include.tracking.champion import download_model
from include.tracking.client import mlflow_client
from include.training.model_file import load_model

if TYPE_CHECKING:
    from collections.abc import Collection

    from sklearn.pipeline import Pipeline as Model


@dataclass(frozen=True)
class VersionRecord:
    """A registered version and the documents of its run.

    Attributes
    ----------
    plan, challenger, features
        What the run's steps left under these names.
    definition
        The pipeline's own files as they were, by their path in its folder.
    """

    version: int
    source: str
    sha256: str
    plan: dict[str, Any]
    challenger: dict[str, Any]
    features: dict[str, Any]
    definition: dict[str, str]


def read_record(name: str, version: int) -> VersionRecord:
    """Return what a registered version was made from.

    Raises
    ------
    ModelRefused
        If there is no such version, or its run did not record enough to make it again.
    TrackingUnavailable
        If MLflow does not answer.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    with (
        mlflow_client(f"reading what version {version} of {name} was made from") as client,
        TemporaryDirectory(prefix="record-") as folder,
    ):
        try:
            found = client.get_model_version(name, str(version))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            known = sorted(int(each.version) for each in client.search_model_versions(f"name = '{name}'"))
            there = f"there are {', '.join(map(str, known))}" if known else "none is registered"
            raise ModelRefused(f"{name} has no version {version} in MLflow; {there}") from error
        files = Path(mlflow.artifacts.download_artifacts(run_id=found.run_id, dst_path=folder))
        documents = {path: files / f"{path}.json" for path in ("plan", "challenger", "features")}
        missing = [path.name for path in documents.values() if not path.is_file()]
        definition = {
            path.relative_to(files / "pipeline").as_posix(): path.read_text(encoding="utf-8")
            for path in sorted((files / "pipeline").rglob("*"))
            if path.is_file()
        }
        if missing or not definition or "nightshift.sha256" not in found.tags:
            lacking = ", ".join(missing) or "pipeline/"
            raise ModelRefused(
                f"the run of version {version} of {name} recorded no {lacking}, so it cannot be "
                "made again; only versions that this or a later release of Nightshift registered can"
            )
        read = {path: json.loads(file.read_text(encoding="utf-8")) for path, file in documents.items()}
    return VersionRecord(version, found.source, found.tags["nightshift.sha256"], **read, definition=definition)


def load_version(record: VersionRecord, trusted: Collection[str] = ()) -> Model:
    """Load a registered version's model after its file's digest was verified."""
    with TemporaryDirectory(prefix="version-") as folder:
        path = download_model(record.source, folder, f"version {record.version}")
        return load_model(path, record.sha256, trusted)
