"""Read registered versions, such as the champion, from their tags."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from include.core.errors import ModelRefused
from include.core.json_document import JsonDocument
from include.registry.client import mlflow_client
from include.registry.records.models import ModelIdentity
from include.training.candidates import Params  # noqa: TC001  pydantic reads the fields

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
CHALLENGER = "challenger"


@dataclass(frozen=True)
class Champion(JsonDocument):
    """A registered version, usually the one that the alias `champion` names, and facts of its training.

    Attributes
    ----------
    sha256
        Digest of the model file.
    pipeline, manifest
        Name of the registered model, and digest of the version's manifest; None in a version, or in the plan of a
        run, of a release without manifests.
    threshold
        Probability from which a row counts as positive; None unless the task is binary.
    members
        Parameters of each family that the model consists of.
    challenger_sha256
        Digest of the model file that the run trained, before MLflow packed it; None in a version of an older release.
    """

    version: int
    run_key: str
    family: str
    sha256: str
    source: str
    as_of: date
    train_start: date
    train_end: date
    threshold: float | None = None
    members: dict[str, Params] = field(default_factory=dict)
    pipeline: str | None = None
    manifest: str | None = None
    challenger_sha256: str | None = None

    @property
    def identity(self) -> ModelIdentity:
        """What distinguishes this version from another of the same number."""
        return ModelIdentity(self.run_key, self.challenger_sha256, self.sha256, self.manifest)


def find_champion(name: str) -> Champion | None:
    """Return the champion of a pipeline, or None where no version has been promoted yet.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer.
    ModelRefused
        If the champion lacks the tags that Nightshift writes.
    """
    with mlflow_client(f"looking for the champion of {name}") as client:
        number = aliases(client, name).get(CHAMPION)
        if number is None:
            return None
        version = client.get_model_version(name, number)
    return _read_tags(
        version,
        f"{name} version {number} is the champion in MLflow and",
        "give the alias champion to a version that Nightshift registered",
    )


def find_version(name: str, number: int) -> Champion:
    """Return a registered version of a pipeline.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer.
    ModelRefused
        If there is no such version, or Nightshift did not register it.
    """
    with mlflow_client(f"looking for version {number} of {name}") as client:
        version = get_version(client, name, number)
    return _read_tags(version, f"{name} version {number}", "choose a version that Nightshift registered")


def get_version(client: MlflowClient, name: str, number: int) -> ModelVersion:
    """Return a version from MLflow; where it does not exist, raise with the versions that exist."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(name, str(number))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        known = sorted(int(each.version) for each in client.search_model_versions(f"name = '{name}'"))
        there = f"there are {', '.join(map(str, known))}" if known else "none is registered"
        raise ModelRefused(f"{name} has no version {number} in MLflow; {there}") from error


def _read_tags(version: ModelVersion, which: str, instead: str) -> Champion:
    tags = {key.removeprefix("nightshift."): value for key, value in version.tags.items()}
    missing = [
        name for name in ("run_key", "family", "sha256", "as_of", "train_start", "train_end") if name not in tags
    ]
    if missing:
        raise ModelRefused(
            f"{which} lacks the tags {', '.join(f'nightshift.{name}' for name in missing)}, so Nightshift did not "
            f"register it; {instead}"
        )

    def day_of(name: str) -> date:
        try:
            return date.fromisoformat(tags[name])
        except ValueError as error:
            raise ModelRefused(
                f"{which} has the tag nightshift.{name} {tags[name]!r}, which is no day such as 2024-02-29; {instead}"
            ) from error

    return Champion(
        version=int(version.version),
        run_key=tags["run_key"],
        family=tags["family"],
        sha256=tags["sha256"],
        source=version.source,
        as_of=day_of("as_of"),
        train_start=day_of("train_start"),
        train_end=day_of("train_end"),
        threshold=float(tags["threshold"]) if "threshold" in tags else None,
        members=json.loads(tags.get("members", "{}")),
        pipeline=version.name,
        manifest=tags.get("manifest"),
        challenger_sha256=tags.get("challenger_sha256"),
    )


def aliases(client: MlflowClient, name: str) -> dict[str, str]:
    """Return the version of each alias of a registered model; nothing where the model is not registered."""
    from mlflow.exceptions import MlflowException

    try:
        return {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
