"""Where things are: the environment variables that Nightshift reads, in one place."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from urllib.parse import unquote

from include.core.errors import ConfigError

#: What a path may not hold: delta-rs ends the process at the first of these, takes `#` and `?` for the end of an
#: address and a backslash for a slash, and reads `%41` as A.
_NOT_IN_PATHS = re.compile(r"[][|^\\#?\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")

#: What the address of a lake begins with.
_SCHEMES = ("file", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory")


def root() -> Path:
    """Return the project's root, the folder that holds include/."""
    return Path(__file__).resolve().parents[2]


def home() -> Path:
    """Return the folder of the embedded default's state (NIGHTSHIFT_HOME, default var/)."""
    return Path(_usable(str((root() / (_place("NIGHTSHIFT_HOME") or "var")).resolve()), "NIGHTSHIFT_HOME"))


def pipelines_folder() -> Path:
    """Return the folder that holds one folder a pipeline (NIGHTSHIFT_PIPELINES)."""
    return (root() / (_place("NIGHTSHIFT_PIPELINES") or "include/pipelines")).resolve()


def lake_uri() -> str:
    """Return the address of the lake (LAKE_URI): a folder, or a URI such as `s3://bucket/lake`.

    Raises
    ------
    ConfigError
        If its path has what Delta Lake cannot keep tables under.
    """
    uri = (_place("LAKE_URI") or str(home() / "lake")).rstrip("/")
    scheme, _, rest = uri.partition(":")
    begins = "///" if scheme.lower() == "file" else "//"
    if scheme.lower() in _SCHEMES and not (scheme in _SCHEMES and rest.startswith(begins)):
        raise ConfigError(
            f"LAKE_URI is '{uri}', which is neither a folder's path nor an address; begin it with "
            f"{scheme.lower()}:{begins}, or write the path alone"
        )
    if "://" in uri and scheme not in _SCHEMES:
        raise ConfigError(
            f"LAKE_URI is '{without_password(uri)}', and the lake cannot be in a store of the kind '{scheme}'; name a "
            "folder, or an address that begins with s3://, gs:// or abfss://"
        )
    if uri.startswith("file:///") and "%" in uri:
        uri = unquote(uri.removeprefix("file://"))  # each reader would decode it in its own way
    # a relative folder is the project's, wherever one stands
    return _usable(uri if "://" in uri else str(root() / uri), "LAKE_URI")


def _place(variable: str) -> str | None:
    """Return the folder or the address that a variable names, unless a shell was expected to read it first."""
    named = os.environ.get(variable) or None
    if named and (named != named.strip() or named[0] in "~\"'"):
        raise ConfigError(
            f"{variable} is {named!r}, and no shell reads it: ~, quotes and blanks at its ends would be parts of the "
            "path; write the whole path without them"
        )
    return named


def check_places() -> None:
    """Refuse folders whose path some library cannot work in, before anything is done.

    Raises
    ------
    ConfigError
        Naming the variable, the folder and what its path may not hold.
    """
    lake_uri()
    home()
    folder = tempfile.gettempdir()
    if found := re.search(r"\\|%[0-9A-Fa-f]{2}", folder):
        raise ConfigError(
            f"TMPDIR is {folder!r}, and DuckDB or MLflow take a path with {found[0]!r} for another one; name a folder "
            "without a backslash, and without % before two digits or letters A to F, in its path"
        )


def _usable(place: str, variable: str) -> str:
    """Return a folder or an address, unless its path has what Delta Lake cannot keep tables under."""
    found = _NOT_IN_PATHS.search(place)
    if found:
        raise ConfigError(
            f"{variable} is {place!r}, and Delta Lake cannot keep tables under a path with {found[0]!r}; name another "
            "place for it, without [ ] | ^ # ? \\, control characters, and % before two digits or letters A to F"
        )
    return place


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
