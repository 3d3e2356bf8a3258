"""Where things are: the environment variables that Nightshift reads, in one place."""

from __future__ import annotations

import os
import re
from pathlib import Path


def root() -> Path:
    """Return the project's root, the folder that holds include/."""
    return Path(__file__).resolve().parent.parent


def home() -> Path:
    """Return the folder of the embedded default's state (NIGHTSHIFT_HOME, default var/)."""
    return (root() / (os.environ.get("NIGHTSHIFT_HOME") or "var")).resolve()


def pipelines_folder() -> Path:
    """Return the folder that holds one folder a pipeline (NIGHTSHIFT_PIPELINES)."""
    return (root() / (os.environ.get("NIGHTSHIFT_PIPELINES") or "include/pipelines")).resolve()


def lake_uri() -> str:
    """Return the address of the lake (LAKE_URI): a folder, or a URI such as `s3://bucket/lake`."""
    uri = (os.environ.get("LAKE_URI") or str(home() / "lake")).rstrip("/")
    return uri if "://" in uri else str(root() / uri)  # a relative folder is the project's, wherever one stands


def tracking_uri() -> str:
    """Return MLflow's tracking address (MLFLOW_TRACKING_URI, default SQLite in the home folder)."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow' / 'mlflow.db'}"


def shown_tracking_uri() -> str:
    """Return MLflow's tracking address without a password, for logs and errors."""
    return without_password(tracking_uri())


def mlflow_url() -> str:
    """Return MLflow's address for a browser (NIGHTSHIFT_MLFLOW_URL, default: the tracking address)."""
    return (os.environ.get("NIGHTSHIFT_MLFLOW_URL") or shown_tracking_uri()).rstrip("/")


def without_password(text: str) -> str:
    """Return a text without the user and password of any address in it, however they are written."""
    return re.sub(r"(?<=://)\S*@", "", text)


def artifact_root() -> str | None:
    """Return where a new MLflow experiment keeps its files (NIGHTSHIFT_ARTIFACT_ROOT).

    None leaves the choice to the tracking server. Without a server (a `sqlite:` tracking address)
    MLflow would write below the current folder, so a place in the home folder is named instead.
    """
    named = os.environ.get("NIGHTSHIFT_ARTIFACT_ROOT")
    if named or not tracking_uri().startswith("sqlite:"):
        return named or None
    return (home() / "mlflow" / "artifacts").as_uri()


def in_container() -> bool:
    """Return whether this process runs in a container, as the image and podman say by the variable `container`."""
    return bool(os.environ.get("container"))  # noqa: SIM112  its name among container engines


def threads() -> int:
    """Return how many threads one task may use (NIGHTSHIFT_THREADS, default: every core)."""
    return int(os.environ.get("NIGHTSHIFT_THREADS") or os.cpu_count() or 1)


def query_memory() -> str:
    """Return how much memory the features query may use before it spills to disk (NIGHTSHIFT_QUERY_MEMORY)."""
    return os.environ.get("NIGHTSHIFT_QUERY_MEMORY") or "800MB"


def tuning_storage() -> str | None:
    """Return the address of a database that keeps the trials (NIGHTSHIFT_TUNING_STORAGE); None: a journal file."""
    return os.environ.get("NIGHTSHIFT_TUNING_STORAGE") or None


def training_pool() -> str | None:
    """Return the name of Airflow's pool for the tasks that train (NIGHTSHIFT_TRAINING_POOL); None: the default pool."""
    return os.environ.get("NIGHTSHIFT_TRAINING_POOL") or None


def env_file() -> dict[str, str]:
    """Return the variables of the project's .env file; none where there is no file."""
    path = root() / ".env"
    return parse_env(path.read_text(encoding="utf-8")) if path.is_file() else {}


def parse_env(text: str) -> dict[str, str]:
    """Return the variables of a text with one `NAME=value` a line; `#` begins a comment line."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#") and "=" in line)
    return {name.strip().removeprefix("export "): value.strip().strip("\"'") for name, _, value in pairs}
