"""The connection to MLflow: bounded waiting, and one named error for all that it may answer."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from include import settings
from include.errors import TrackingUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

#: MLflow's client waits for minutes by default; a nightly run is better told after half of one.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # a model file is data: code that came with one is never run
    "MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false",
}


@contextmanager
def mlflow_client(doing: str) -> Iterator[MlflowClient]:
    """Yield a client of the configured tracking server.

    Parameters
    ----------
    doing
        What is done with it, for the error's sentence.

    Raises
    ------
    TrackingUnavailable
        In place of every error that MLflow raises in the block.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    import logging

    import mlflow
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    uri = settings.tracking_uri()
    if uri.startswith("sqlite:///"):
        (settings.home() / "mlflow").mkdir(parents=True, exist_ok=True)
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        # not chained: the other error's text has the whole address in it, with its password
        raise TrackingUnavailable(
            f"MLflow at {settings.shown_tracking_uri()} failed while {doing}: {_reason(error)}; the champion is "
            "unchanged; check that the server is up and MLFLOW_TRACKING_URI is right, then run this task again"
        ) from None


def _reason(error: Exception) -> str:
    """Return the first line of an error without a password, at most some words long."""
    import textwrap

    lines = settings.without_password(str(error)).splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 300, placeholder=" …")
