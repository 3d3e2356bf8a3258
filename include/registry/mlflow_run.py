"""The run in MLflow: one for each DAG run, reopened by a retry, and closed with its outcome."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.core import settings
from include.registry.client import without_retries

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from include.registry.run_record import RunRecord


def open_run(client: MlflowClient, record: RunRecord) -> str:
    """Return the id of the run with this key; create the run, or reopen it where it exists."""
    experiment = client.get_experiment_by_name(record.name)
    if experiment is None:
        root = settings.artifact_root()
        with without_retries():
            experiment_id = client.create_experiment(
                record.name, artifact_location=f"{root}/{record.name}" if root else None
            )
    else:
        experiment_id = experiment.experiment_id
    found = client.search_runs([experiment_id], f"tags.`nightshift.run_key` = '{record.run_key}'")
    if found:
        run_id: str = found[0].info.run_id
        client.update_run(run_id, status="RUNNING")
        return run_id
    tags = {"nightshift.run_key": record.run_key, "nightshift.state": "started"}
    with without_retries():
        created: str = client.create_run(experiment_id, run_name=record.run_key, tags=tags).info.run_id
    return created


def close_failed(client: MlflowClient, run_id: str, status: str) -> None:
    """Close a failed run, if MLflow answers; an error here must not hide the one that ended the run."""
    with suppress(Exception), without_retries():
        client.set_terminated(run_id, status)


def log_documents(client: MlflowClient, run_id: str, record: RunRecord) -> None:
    """Write parameters, metrics, tags and documents to a run; writing them again changes nothing."""
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
    log_texts(client, run_id, record.documents)
    with TemporaryDirectory(prefix="artifacts-") as folder:
        for name, content in record.files.items():
            path = Path(folder) / name
            path.write_bytes(content)
            client.log_artifact(run_id, str(path))


def log_texts(client: MlflowClient, run_id: str, texts: dict[str, str]) -> None:
    """Write texts to a run, by their file names."""
    for name, text in texts.items():
        client.log_text(run_id, text, name)
