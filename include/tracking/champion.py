"""Reads the champion: which version it is, and its model file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.errors import ModelRefused
from include.tracking.client import mlflow_client
from include.training.model_file import load_model

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlflow import MlflowClient
    from sklearn.pipeline import Pipeline as Model

CHAMPION = "champion"
CHALLENGER = "challenger"
MODEL_FILE = "model.skops"


@dataclass(frozen=True)
class Champion:
    """The registered version that the alias `champion` names, and what is known of its training.

    Attributes
    ----------
    threshold
        The probability from which a row counts as positive, of a binary task.
    members
        The parameters of each family that it consists of.
    """

    version: int
    run_key: str
    family: str
    sha256: str
    source: str
    as_of: str
    train_start: str
    train_end: str
    threshold: float | None = None
    members: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def find_champion(name: str) -> Champion | None:
    """Return the champion of a pipeline, or None where no version has been promoted yet.

    Raises
    ------
    TrackingUnavailable
        If MLflow cannot say.
    ModelRefused
        If the champion lacks the tags that Nightshift gives each version.
    """
    with mlflow_client(f"looking for the champion of {name}") as client:
        number = aliases(client, name).get(CHAMPION)
        if number is None:
            return None
        version = client.get_model_version(name, number)
    tags = {key.removeprefix("nightshift."): value for key, value in version.tags.items()}
    fields = ("run_key", "family", "sha256", "as_of", "train_start", "train_end")
    missing = [name for name in fields if name not in tags]
    if missing:
        raise ModelRefused(
            f"{name} version {number} is the champion in MLflow and lacks the tags "
            f"{', '.join(f'nightshift.{name}' for name in missing)}, so it was not registered by Nightshift; "
            "give the alias champion to a version that was"
        )
    return Champion(
        version=int(number),
        source=version.source,
        threshold=float(tags["threshold"]) if "threshold" in tags else None,
        members=json.loads(tags.get("members", "{}")),
        **{name: tags[name] for name in fields},
    )


def load_champion(champion: Champion, trusted: Collection[str] = ()) -> Model:
    """Load the champion's model after its file's digest was verified; code in it never runs.

    Parameters
    ----------
    trusted
        Types beyond Nightshift's own that the pipeline's candidates consist of.

    Raises
    ------
    ModelRefused
        If the file is not the one that was registered, or holds types beyond the allow-list.
    """
    with TemporaryDirectory(prefix="champion-") as folder:
        path = download_model(champion.source, folder, f"version {champion.version}")
        return load_model(path, champion.sha256, trusted)


def download_model(source: str, folder: str, what: str) -> Path:
    """Download the files of a logged model and return the path of its model file."""
    import mlflow
    from mlflow.exceptions import MlflowException

    with mlflow_client(f"downloading the model of {what}"):
        try:
            files = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise ModelRefused(
                f"the model of {what} at {source} is gone from MLflow; move the alias to a version that has one"
            ) from error
    path = Path(files) / MODEL_FILE
    if not path.is_file():
        raise ModelRefused(
            f"the model of {what} at {source} holds no {MODEL_FILE}; move the alias to a version that has one"
        )
    return path


def aliases(client: MlflowClient, name: str) -> dict[str, str]:
    """Return the aliases of a registered model, by alias; none where the model is not registered."""
    from mlflow.exceptions import MlflowException

    try:
        return {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
