"""Addresses of a version and its card in MLflow; without a tracking server, the path of the card."""

from __future__ import annotations

from include.core import settings
from include.registry.client import mlflow_client


def version_page(name: str, version: int) -> str | None:
    """Return the address of a version's page; None without a tracking server."""
    uri = _server()
    return f"{uri}/#/models/{name}/versions/{version}" if uri else None


def card_page(run_id: str) -> str:
    """Return the address of the model card of a run, or without a tracking server the path of its file.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer.
    """
    uri = _server()
    with mlflow_client(f"looking for the page of run {run_id}") as client:
        run = client.get_run(run_id).info
    if uri is None:
        return f"{run.artifact_uri.removeprefix('file://')}/model_card.html"
    return f"{uri}/#/experiments/{run.experiment_id}/runs/{run_id}/artifacts/model_card.html"


def _server() -> str | None:
    uri = settings.mlflow_url()
    return uri if uri.startswith("http") else None
