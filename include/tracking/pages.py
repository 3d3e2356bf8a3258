"""Where MLflow's own pages show a version and its card; nowhere, without a tracking server."""

from __future__ import annotations

from include import settings
from include.tracking.client import mlflow_client


def version_page(name: str, version: int) -> str | None:
    """Return the address of a version's page."""
    uri = _server()
    return f"{uri}/#/models/{name}/versions/{version}" if uri else None


def card_page(run_id: str) -> str | None:
    """Return the address at which the model card of a run is shown.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer.
    """
    uri = _server()
    if uri is None:
        return None
    with mlflow_client(f"looking for the page of run {run_id}") as client:
        experiment = client.get_run(run_id).info.experiment_id
    return f"{uri}/#/experiments/{experiment}/runs/{run_id}/artifacts/model_card.html"


def _server() -> str | None:
    uri = settings.mlflow_url()
    return uri if uri.startswith("http") else None
