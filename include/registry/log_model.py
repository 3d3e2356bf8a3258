"""Log a run's model in MLflow, and verify the files that MLflow stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.core.errors import ModelRefused, TrackingUnavailable
from include.registry.client import without_retries
from include.registry.load_model import MODEL_FILE, download_model
from include.registry.manifest import ModelFile, files_of, keep_manifest
from include.training.model_file import ALLOWED_TYPES, load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import pandas as pd
    from sklearn.pipeline import Pipeline as Model


@dataclass(frozen=True)
class Logged:
    """A logged model whose files were downloaded again and verified."""

    model_id: str
    uri: str
    sha256: str
    manifest: str


def log_model(
    name: str,
    run_id: str,
    model: Model,
    example: pd.DataFrame,
    *,
    classifies: bool,
    trusted: Collection[str],
    what: str,
    files: Mapping[str, bytes] | None = None,
) -> Logged:
    """Log a model with a run, verify the stored files, and keep their manifest.

    Parameters
    ----------
    files
        Files that are stored with the model and listed in its manifest, by name; see `read_extra_file`.
    what
        The run in words, for error sentences.

    Raises
    ------
    TrackingUnavailable
        If MLflow stored another model than it was given.
    ModelRefused
        If the model holds types that are not trusted.
    """
    import mlflow
    import mlflow.sklearn
    from mlflow.exceptions import MlflowException
    from mlflow.models import infer_signature
    from skops.io.exceptions import UntrustedTypesFoundException

    predict = "predict_proba" if classifies else "predict"
    predicted = getattr(model, predict)(example)
    status = "FAILED"
    mlflow.start_run(run_id=run_id)
    try:
        with without_retries(), TemporaryDirectory(prefix="extra-files-") as folder:
            paths = [_write(Path(folder) / name, content) for name, content in (files or {}).items()]
            info = mlflow.sklearn.log_model(
                model,
                name="model",
                serialization_format="skops",
                skops_trusted_types=[*ALLOWED_TYPES, *trusted],
                signature=infer_signature(example, predicted),
                input_example=example,
                pip_requirements=_requirements(trusted),
                pyfunc_predict_fn=predict,
                extra_files=paths or None,
            )
        status = "RUNNING"  # the run is not finished before its version is registered
    except MlflowException as error:
        cause = error.__context__
        if not isinstance(cause, UntrustedTypesFoundException):
            raise
        raise ModelRefused(
            f"the model of {what} was not logged ({' '.join(str(cause).split())}); the champion is unchanged; if these "
            "types are your own, name them in training.own_candidates.<name>.trusted_types, then start a new run"
        ) from error
    finally:
        mlflow.end_run(status)
    kept = _verify_stored(info.model_uri, what, trusted, lambda again: getattr(again, predict)(example), predicted)
    manifest = keep_manifest(name, info.model_id, kept)
    return Logged(info.model_id, info.model_uri, kept[MODEL_FILE].sha256, manifest)


def _write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def _verify_stored(
    uri: str, what: str, trusted: Collection[str], predict: Callable[[Model], Any], predicted: Any
) -> dict[str, ModelFile]:
    """Verify that MLflow stored the model that it was given, and return the files."""
    import numpy as np

    with TemporaryDirectory(prefix="verify-") as folder:
        kept = download_model(uri, folder, what)
        files = files_of(kept, what)
        if MODEL_FILE not in files:
            raise TrackingUnavailable(f"MLflow has lost {MODEL_FILE} of {what}; run this task again")
        again = predict(load_model(kept / MODEL_FILE, files[MODEL_FILE].sha256, trusted))
    if not np.allclose(again, predicted, rtol=1e-9, equal_nan=True):
        raise TrackingUnavailable(
            f"the model of {what} predicts otherwise after MLflow has stored it; the champion is unchanged; check the "
            "artifact store, then run this task again"
        )
    return files


def _requirements(trusted: Collection[str]) -> list[str]:
    """Return the packages that a model needs to load, at the versions that trained it.

    MLflow could infer them, but loads the model in another process for seconds to do so. A team's own module belongs
    to no package, and must be present where the model is loaded.
    """
    from importlib.metadata import packages_distributions, version

    needed = {"mlflow", "scikit-learn", "lightgbm", "pandas", "numpy", "skops"}
    if trusted:
        packages = packages_distributions()
        needed |= {name for each in trusted for name in packages.get(each.partition(".")[0], [])}
    return [f"{name}=={version(name)}" for name in sorted(needed)]
