"""Addresses of MLflow's pages, for people."""

from __future__ import annotations

from include import settings


def version_page(name: str, version: int) -> str | None:
    """Return the address of a version's page, or None where MLflow has no server."""
    url = settings.mlflow_url()
    return f"{url}/#/models/{name}/versions/{version}" if url.startswith("http") else None
