"""Register: one run's model, with all that explains it, becomes a version in MLflow."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include import settings
from include.errors import ModelRefused
from include.tracking.champion import CHALLENGER, CHAMPION, aliases, download_model
from include.tracking.client import mlflow_client
from include.training.model_file import ALLOWED_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from mlflow import MlflowClient
    from sklearn.pipeline import Pipeline as Model

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunRecord:
    """What MLflow is told of a run.

    Attributes
    ----------
    name
        The pipeline, which names the experiment and the registered model.
    run_key
        Names the run; a second registration under the same key finds the first one's version.
    sha256
        Of the challenger's file; a run that has registered another model may not register this one.
    version_tags, run_tags
        Tags of the run and of the version, and of the run only; without the prefix `nightshift.`.
    documents
        Artifacts of the run by file name, as text.
    """

    name: str
    run_key: str
    sha256: str
    params: dict[str, Any]
    metrics: dict[str, float]
    version_tags: dict[str, str]
    run_tags: dict[str, str]
    documents: dict[str, str]
    description: str


@dataclass(frozen=True)
class Registration:
    """Where a run's model went."""

    version: int
    alias: str | None
    mlflow_run_id: str
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def register_model(
    record: RunRecord,
    model: Model,
    example: pd.DataFrame,
    *,
    classifies: bool,
    trusted: Collection[str] = (),
    promote: bool,
    expected_champion: int | None,
) -> Registration:
    """Log a model and all that explains it, register it, and move its alias.

    Order: the run and its files, the version, the alias; so a champion is never a model that is not
    whole. Called again for the same run key it finds what is there and completes it.

    Parameters
    ----------
    example
        A few rows of the raw feature frame: the input example, and the source of the signature.
    classifies
        Whether the model predicts probabilities.
    trusted
        Types beyond Nightshift's own that the model may consist of.
    promote
        True gives the version the alias `champion`, else `challenger`.
    expected_champion
        The version that the gate compared with. If another has become champion since, nothing is
        promoted.

    Raises
    ------
    TrackingUnavailable
        With the champion unchanged.
    ModelRefused
        If this run has registered another model before.
    """
    with mlflow_client(f"registering the model of run {record.run_key}") as client:
        version = _version_of(client, record)
        run_id = _open_run(client, record)
        _log_documents(client, run_id, record)
        if version is None:
            version = _log_and_register(client, run_id, record, model, example, classifies, trusted)
        registration = _move_alias(client, record, version, run_id, promote, expected_champion)
        client.set_tag(run_id, "nightshift.state", "completed")
        client.set_terminated(run_id, "FINISHED")
    return registration


def _open_run(client: MlflowClient, record: RunRecord) -> str:
    """Return the id of the run that bears this key, made where there is none, reopened where there is."""
    experiment = client.get_experiment_by_name(record.name)
    if experiment is None:
        root = settings.artifact_root()
        experiment_id = client.create_experiment(
            record.name, artifact_location=f"{root}/{record.name}" if root else None
        )
    else:
        experiment_id = experiment.experiment_id
    found = client.search_runs([experiment_id], f"tags.`nightshift.run_key` = '{record.run_key}'")
    if found:
        run_id = found[0].info.run_id
        client.update_run(run_id, status="RUNNING")
        return run_id
    tags = {"nightshift.run_key": record.run_key, "nightshift.state": "started"}
    return client.create_run(experiment_id, run_name=record.run_key, tags=tags).info.run_id


def _log_documents(client: MlflowClient, run_id: str, record: RunRecord) -> None:
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    client.log_batch(
        run_id,
        metrics=[Metric(key, float(value), now, 0) for key, value in record.metrics.items()],
        params=[Param(key, str(value)) for key, value in record.params.items()],
        tags=[RunTag(f"nightshift.{key}", value) for key, value in (record.version_tags | record.run_tags).items()]
        + [RunTag("mlflow.note.content", record.description)],
    )
    for name, text in record.documents.items():
        client.log_text(run_id, text, name)


def _version_of(client: MlflowClient, record: RunRecord) -> int | None:
    """Return the version that this run has registered, if it has."""
    found = client.search_model_versions(f"name = '{record.name}' and tags.`nightshift.run_key` = '{record.run_key}'")
    if not found:
        return None
    first = min(found, key=lambda version: int(version.version))
    if first.tags.get("nightshift.challenger_sha256") != record.sha256:
        raise ModelRefused(
            f"{record.name}: run {record.run_key} has registered version {first.version} before, and what it "
            "trains from has changed since; a registered version is never changed, so start a new run"
        )
    log.info("%s: this run has registered version %s already", record.name, first.version)
    return int(first.version)


def _log_and_register(
    client: MlflowClient,
    run_id: str,
    record: RunRecord,
    model: Model,
    example: pd.DataFrame,
    classifies: bool,
    trusted: Collection[str],
) -> int:
    import mlflow
    import mlflow.sklearn
    from mlflow.models import infer_signature

    predict = "predict_proba" if classifies else "predict"
    experiment_id = client.get_run(run_id).info.experiment_id
    logged = client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    named = {version.source for version in client.search_model_versions(f"name = '{record.name}'")}
    for stale in logged:
        if stale.model_uri not in named:
            client.delete_logged_model(stale.model_id)  # a killed attempt left it
    with mlflow.start_run(run_id=run_id):
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            skops_trusted_types=[*ALLOWED_TYPES, *trusted],
            signature=infer_signature(example, getattr(model, predict)(example)),
            input_example=example,
            pip_requirements=_requirements(),
            pyfunc_predict_fn=predict,
        )
    with TemporaryDirectory(prefix="verify-") as folder:
        path = download_model(info.model_uri, folder, f"run {record.run_key}")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    twin = _version_of(client, record)
    if twin is not None:
        client.delete_logged_model(info.model_id)  # another attempt of this run was quicker
        return twin
    if record.name not in {each.name for each in client.search_registered_models(f"name = '{record.name}'")}:
        client.create_registered_model(record.name)
    version = client.create_model_version(
        record.name,
        source=info.model_uri,
        run_id=run_id,
        model_id=info.model_id,
        description=record.description,
        tags={f"nightshift.{key}": value for key, value in record.version_tags.items()}
        | {
            "nightshift.run_key": record.run_key,
            "nightshift.challenger_sha256": record.sha256,
            "nightshift.sha256": digest,
        },
    )
    log.info("%s: registered as version %s, MLflow run %s", record.name, version.version, run_id)
    return int(version.version)


def _move_alias(
    client: MlflowClient,
    record: RunRecord,
    version: int,
    run_id: str,
    promote: bool,
    expected_champion: int | None,
) -> Registration:
    now = aliases(client, record.name)
    champion = int(now[CHAMPION]) if CHAMPION in now else None
    if champion == version:
        if promote and CHALLENGER in now and int(now[CHALLENGER]) < version:
            client.delete_registered_model_alias(record.name, CHALLENGER)  # an attempt was killed before it did
        return Registration(version, CHAMPION, run_id)
    note = ""
    if promote and champion != expected_champion:
        promote = False
        note = (
            f"not promoted: {f'version {champion} has become' if champion else 'no version is'} champion since this "
            f"run compared with {f'version {expected_champion}' if expected_champion else 'none'}; start a new run"
        )
        log.warning("%s: %s", record.name, note)
    if promote:
        client.set_registered_model_alias(record.name, CHAMPION, str(version))
        if now.get(CHALLENGER) is not None:
            client.delete_registered_model_alias(record.name, CHALLENGER)
        return Registration(version, CHAMPION, run_id)
    if now.get(CHALLENGER) is None or int(now[CHALLENGER]) < version:
        client.set_registered_model_alias(record.name, CHALLENGER, str(version))
        return Registration(version, CHALLENGER, run_id, note)
    alias = CHALLENGER if int(now[CHALLENGER]) == version else None
    return Registration(version, alias, run_id, note)


def _requirements() -> list[str]:
    """Name what a model needs to be loaded, at the versions that made it.

    Given rather than inferred: MLflow's inference loads the model in another process for seconds.
    """
    from importlib.metadata import version

    needed = ("mlflow", "scikit-learn", "lightgbm", "pandas", "numpy", "skops")
    return [f"{name}=={version(name)}" for name in needed]


def documents(**named: Any) -> dict[str, str]:
    """Return JSON documents as the texts that a `RunRecord` holds, by file name."""
    return {f"{name}.json": json.dumps(content, indent=1, sort_keys=True) for name, content in named.items()}
