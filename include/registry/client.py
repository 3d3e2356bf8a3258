"""The connection to MLflow: bounded waiting, and one named error for all that it may answer."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from include.core import settings
from include.core.errors import TrackingUnavailable
from include.core.redaction import redacted
from include.registry.store import migrate_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

log = logging.getLogger(__name__)

#: MLflow's client waits for minutes by default; a nightly run is better told after half of one. A request that is
#: asked three times waits 8 + 8 + 4 + 8 s and a jitter of 1 s, see `longest_wait_seconds`.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "1",
    # a server that asks to be left alone for an hour would be obeyed
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # a model file is data: code that came with one is never run
    "MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false",
    # an image without git is no news: the commit is in NIGHTSHIFT_CODE_VERSION
    "GIT_PYTHON_REFRESH": "quiet",
}

#: What stands deep in the text of an error of the network, and what it means.
_REASONS = {
    "Read timed out": "it did not answer within {MLFLOW_HTTP_REQUEST_TIMEOUT} s (MLFLOW_HTTP_REQUEST_TIMEOUT)",
    "ConnectTimeoutError": "it could not be reached within {MLFLOW_HTTP_REQUEST_TIMEOUT} s "
    "(MLFLOW_HTTP_REQUEST_TIMEOUT)",
    "Connection refused": "nothing listens there",
    "too many 500 error responses": "it answered 500, an error of its own, which its log tells",
    "too many 503 error responses": "it answered 503, not available for now",
}

#: Answers that the same request gets again, by MLflow's error codes, and what to do about each.
_REFUSALS = {
    **dict.fromkeys(
        ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"),
        "correct the login in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, then run this task again",
    ),
    "PERMISSION_DENIED": "give that user the permission in MLflow, then run this task again",
    **dict.fromkeys(
        ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"),
        "correct what it names, or MLFLOW_TRACKING_URI if that is no MLflow of this release, then run it again",
    ),
}

_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_asking_once: list[str | None] = []
_asking_once_lock = threading.Lock()


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
    OtherRelease
        If its database is a SQLite file of a newer MLflow.
    """
    _bound_waiting()
    import mlflow
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    uri = settings.tracking_uri()
    if uri.startswith("sqlite:///"):
        (settings.home() / "mlflow").mkdir(parents=True, exist_ok=True)
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # it warns where there is no pip
    try:
        if uri.startswith("sqlite:///"):
            migrate_store(Path(uri.removeprefix("sqlite:///")), log.warning)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, RequestException, SQLAlchemyError, sqlite3.DatabaseError) as error:
        remedy = _REFUSALS.get(getattr(error, "error_code", ""))
        unavailable = TrackingUnavailable(
            f"MLflow at {settings.shown_tracking_uri()} {'refused' if remedy else 'failed while'} {doing}: "
            f"{_reason(error)}; the champion is unchanged; "
            + (remedy or "check that the server is up and MLFLOW_TRACKING_URI is right, then run this task again")
        )
        unavailable.retryable = remedy is None
        raise unavailable from redacted(error)


@contextmanager
def asked_once() -> Iterator[None]:
    """Let no request of the block be repeated by MLflow's client.

    It repeats whatever was answered by 500 or not at all, creations too; a server that had committed would then hold
    two versions. The task that is tried again looks first for what is there.
    """
    with _asking_once_lock:  # the setting is the process's, so the last thread to leave restores it
        _asking_once.append(os.environ.get(_RETRIES) if not _asking_once else _asking_once[0])
        os.environ[_RETRIES] = "0"
    try:
        yield
    finally:
        with _asking_once_lock:
            before = _asking_once.pop()
            if not _asking_once:
                if before is None:
                    del os.environ[_RETRIES]
                else:
                    os.environ[_RETRIES] = before


def longest_wait_seconds() -> float:
    """Return for how long one request to MLflow may wait in all, its repetitions included."""
    _bound_waiting()
    timeout, retries, factor, jitter = (
        float(os.environ[f"MLFLOW_HTTP_REQUEST_{name}"])
        for name in ("TIMEOUT", "MAX_RETRIES", "BACKOFF_FACTOR", "BACKOFF_JITTER")
    )
    # the first repetition comes at once, the n-th after factor * 2**(n - 1) seconds
    pauses = sum(factor * 2 ** (number - 1) + jitter for number in range(2, int(retries) + 1))
    return timeout * (retries + 1) + pauses


def _bound_waiting() -> None:
    """Set what bounds the waiting, where nobody has."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def _reason(error: Exception) -> str:
    """Return the first line of an error without a password, at most some words long."""
    import textwrap

    text = settings.without_password(str(error))
    for told, means in _REASONS.items():
        if told in text:
            return means.format(**os.environ)
    lines = text.splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 300, placeholder=" …")
