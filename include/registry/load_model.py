"""Load the models of registered versions, from files that are verified first."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.request import url2pathname

from include.core.errors import ModelRefused
from include.registry.client import mlflow_client
from include.registry.manifest import read_manifest, refuse_symlinks, verify_folder
from include.training.model_file import load_model

if TYPE_CHECKING:
    from collections.abc import Collection

    from sklearn.pipeline import Pipeline as Model

    from include.evaluation.signature import Kind
    from include.registry.champion import Champion

MODEL_FILE = "model.skops"
#: The folder in which MLflow keeps extra files of a model.
_EXTRA_FILES = "extra_files"


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
