"""Read registered versions, such as the champion: the tags of each, and its verified model."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.request import url2pathname

from include.core.errors import ModelRefused
from include.core.json_document import JsonDocument
from include.registry.client import mlflow_client
from include.registry.manifest import read_manifest, refuse_symlinks, verify_folder
from include.registry.records.models import ModelIdentity
from include.training.candidates import Params  # noqa: TC001  pydantic reads the fields
from include.training.model_file import load_model

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from sklearn.pipeline import Pipeline as Model

    from include.evaluation.signature import Kind

CHAMPION = "champion"
CHALLENGER = "challenger"
MODEL_FILE = "model.skops"
#: The folder in which MLflow keeps extra files of a model.
_EXTRA_FILES = "extra_files"


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


def load_champion(champion: Champion, trusted: Collection[str] = ()) -> Model:
    """Verify the champion's files and load its model; code in the files never runs.

    Parameters
    ----------
    trusted
        Types of the pipeline's candidates beyond Nightshift's own.

    Raises
    ------
    ModelRefused
        If the files are not exactly those that were registered, or hold types beyond the allow-list.
    """
    return load_with_inputs(champion, trusted)[0]


def load_with_inputs(champion: Champion, trusted: Collection[str] = ()) -> tuple[Model, dict[str, Kind] | None]:
    """Load the champion's model like `load_champion`, and return it with the kind of each column that it takes.

    A kind is `number` or `text`, from MLflow's signature; the kinds are None where the version has no signature.
    """
    what = f"version {champion.version}"
    with TemporaryDirectory(prefix="champion-") as folder:
        path = fetch_model(champion.pipeline, champion.source, champion.manifest, folder, what)
        return load_model(path, champion.sha256, trusted), _inputs(path.parent)


def read_extra_file(champion: Champion, name: str) -> bytes | None:
    """Return a file that was registered with the champion's model, or None where there is no such file.

    Raises
    ------
    ModelRefused
        If the files are not exactly those that were registered.
    """
    with TemporaryDirectory(prefix="champion-") as folder:
        what = f"version {champion.version}"
        model = fetch_model(champion.pipeline, champion.source, champion.manifest, folder, what)
        path = model.parent / _EXTRA_FILES / name
        # without a manifest, nothing verifies the files beside a model
        return path.read_bytes() if champion.manifest is not None and path.is_file() else None


def _inputs(folder: Path) -> dict[str, Kind] | None:
    from mlflow.models import Model as Logged

    described = folder / "MLmodel"
    signature = Logged.load(str(described)).signature if described.is_file() else None
    if signature is None or signature.inputs is None or not signature.inputs.has_input_names():
        return None
    kinds = zip(signature.inputs.input_names(), signature.inputs.input_types(), strict=True)
    # MLflow gives a column without values in the example a type without a name
    named = ((name, getattr(kind, "name", None)) for name, kind in kinds)
    return {name: "text" if kind == "string" else "number" for name, kind in named if kind}


def fetch_model(name: str | None, source: str, manifest: str | None, folder: str, what: str) -> Path:
    """Download the files of a registered version, verify them, and return the path of its model file.

    Parameters
    ----------
    name, manifest
        The pipeline, and the digest of the version's manifest; None where there is none, see `Champion`.
    source
        Address of the logged model, such as `models:/m-1234`.

    Raises
    ------
    ModelRefused
        If the model is missing, or is not exactly what its manifest says.
    """
    # read first, because a model without its manifest need not be downloaded
    files = read_manifest(name, logged_model(source), manifest, what) if name else None
    model = download_model(source, folder, what)
    if files is not None:
        verify_folder(model, files, what)
    path = model / MODEL_FILE
    if not path.is_file():
        raise ModelRefused(f"the model of {what} at {source} has no {MODEL_FILE}; promote a version that has one")
    return path


def download_model(source: str, folder: str, what: str) -> Path:
    """Download the files of a logged model, without verifying them, and return their folder."""
    import mlflow
    from mlflow.exceptions import MlflowException

    with mlflow_client(f"downloading the model of {what}") as client:
        try:
            location = source
            if source.startswith("models:/m-"):
                # downloading by the address in MLflow would add a file, so this uses the store's address
                location = client.get_logged_model(logged_model(source)).artifact_location
            if location.startswith(("file:", "/")):
                # the download would follow a symlink out of the folder
                refuse_symlinks(Path(url2pathname(location.removeprefix("file://"))), what)
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=folder))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise ModelRefused(
                f"the model of {what} at {source} is missing from MLflow; promote a version that has one"
            ) from error


def logged_model(source: str) -> str:
    """Return the id of a logged model from its address."""
    return source.rpartition("/")[2]


def aliases(client: MlflowClient, name: str) -> dict[str, str]:
    """Return the version of each alias of a registered model; nothing where the model is not registered."""
    from mlflow.exceptions import MlflowException

    try:
        return {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
