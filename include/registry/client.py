"""The connection to MLflow, with bounded waiting and one error class for every failure."""

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

#: MLflow's client waits for minutes by default; a nightly run should fail within half a minute. A request with two
#: repetitions waits 8 + 8 + 4 + 8 s and a jitter of 1 s, see `longest_wait_seconds`.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "1",
    # a server could ask the client to wait for an hour
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # a model file is data: code that came with one is never run
    "MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false",
    # an image without git needs no warning: NIGHTSHIFT_CODE_VERSION names the commit
    "GIT_PYTHON_REFRESH": "quiet",
}

#: Parts of the text of a network error, and what each means.
_REASONS = {
    "Read timed out": "it did not answer within {MLFLOW_HTTP_REQUEST_TIMEOUT} s (MLFLOW_HTTP_REQUEST_TIMEOUT)",
    "ConnectTimeoutError": "it could not be reached within {MLFLOW_HTTP_REQUEST_TIMEOUT} s "
    "(MLFLOW_HTTP_REQUEST_TIMEOUT)",
    "Connection refused": "nothing listens there",
    "too many 500 error responses": "it answered 500, an internal error; see its log",
    "too many 503 error responses": "it answered 503, temporarily unavailable",
}

#: What to do about answers that a repeated request would get again, by MLflow's error code.
_REFUSALS = {
    **dict.fromkeys(
        ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"),
        "correct the login in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, then run this task again",
    ),
    "PERMISSION_DENIED": "give that user the permission in MLflow, then run this task again",
    **dict.fromkeys(
        ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"),
        "correct what the error names, or MLFLOW_TRACKING_URI if it names no MLflow of this release, then run it again",
    ),
}

_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_values_to_restore: list[str | None] = []
_lock = threading.Lock()


@contextmanager
def mlflow_client(doing: str) -> Iterator[MlflowClient]:
    """Yield a client of the configured tracking server.

    Parameters
    ----------
    doing
        What the block does, for the sentence of the error.

    Raises
    ------
    TrackingUnavailable
        For every error that MLflow raises in the block.
    OtherRelease
        If the database is a SQLite file of a newer MLflow.
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
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # it warns where pip is missing
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
def without_retries() -> Iterator[None]:
    """Stop MLflow's client from repeating requests of the block.

    The client also repeats creations that the server answered with 500 or not at all; a server that had committed
    would then have two versions. A retried task first looks for what an earlier attempt created.
    """
    with _lock:  # the setting belongs to the process, so the last thread to leave restores it
        _values_to_restore.append(os.environ.get(_RETRIES) if not _values_to_restore else _values_to_restore[0])
        os.environ[_RETRIES] = "0"
    try:
        yield
    finally:
        with _lock:
            before = _values_to_restore.pop()
            if not _values_to_restore:
                if before is None:
                    del os.environ[_RETRIES]
                else:
                    os.environ[_RETRIES] = before


def longest_wait_seconds() -> float:
    """Return the longest time that one request to MLflow may take, including its repetitions."""
    _bound_waiting()
    timeout, retries, factor, jitter = (
        float(os.environ[f"MLFLOW_HTTP_REQUEST_{name}"])
        for name in ("TIMEOUT", "MAX_RETRIES", "BACKOFF_FACTOR", "BACKOFF_JITTER")
    )
    # the first repetition follows at once, the n-th after factor * 2**(n - 1) seconds
    pauses = sum(factor * 2.0 ** (number - 1) + jitter for number in range(2, int(retries) + 1))
    return timeout * (retries + 1) + pauses


def _bound_waiting() -> None:
    """Set the variables that bound the waiting, unless the user has set them."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def _reason(error: Exception) -> str:
    """Return the first line of an error, shortened and without a password."""
    import textwrap

    text = settings.without_password(str(error))
    for part, means in _REASONS.items():
        if part in text:
            return means.format(**os.environ)
    lines = text.splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 300, placeholder=" …")
