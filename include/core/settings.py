"""The environment variables that Nightshift reads."""

from __future__ import annotations

import os
import re
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from include.core.errors import ConfigError

#: Characters that a path may not contain: delta-rs ends the process on some, reads `#` and `?` as the end of the
#: address, a backslash as a slash, and `%41` as A.
_NOT_IN_PATHS = re.compile(r"[][|^\\#?\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")

#: Schemes of a lake's address.
_SCHEMES = ("file", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory")


@cache
def root() -> Path:
    """Return the project's root, the folder that holds include/."""
    return Path(__file__).resolve().parents[2]


def home() -> Path:
    """Return the folder of the embedded stack's state (NIGHTSHIFT_HOME, default var/)."""
    return Path(_supported(str((root() / (_path_in("NIGHTSHIFT_HOME") or "var")).resolve()), "NIGHTSHIFT_HOME"))


def pipelines_folder() -> Path:
    """Return the folder that holds one folder for each pipeline (NIGHTSHIFT_PIPELINES)."""
    return (root() / (_path_in("NIGHTSHIFT_PIPELINES") or "include/pipelines")).resolve()


def lake_uri() -> str:
    """Return the address of the lake (LAKE_URI): a folder, or a URI such as `s3://bucket/lake`.

    Raises
    ------
    ConfigError
        If the address is invalid, or Delta Lake cannot keep tables under its path.
    """
    uri = (_path_in("LAKE_URI") or str(home() / "lake")).rstrip("/")
    scheme, _, rest = uri.partition(":")
    begins = "///" if scheme.lower() == "file" else "//"
    if scheme.lower() in _SCHEMES and not (scheme in _SCHEMES and rest.startswith(begins)):
        raise ConfigError(
            f"LAKE_URI is '{uri}', which is neither a folder's path nor an address; begin it with "
            f"{scheme.lower()}:{begins}, or write only the path"
        )
    if "://" in uri and scheme not in _SCHEMES:
        raise ConfigError(
            f"LAKE_URI is '{without_password(uri)}', but the lake cannot be in a store of the kind '{scheme}'; name a "
            "folder, or an address that begins with s3://, gs:// or abfss://"
        )
    if uri.startswith("file:///") and "%" in uri:
        uri = unquote(uri.removeprefix("file://"))  # libraries would decode it differently
    # a relative folder is below the project's root, whatever the current folder is
    return _supported(uri if "://" in uri else str(root() / uri), "LAKE_URI")


def _path_in(variable: str) -> str | None:
    """Return the folder or address in a variable, and refuse values that only a shell would understand."""
    named = os.environ.get(variable) or None
    if named and (named != named.strip() or named[0] in "~\"'"):
        raise ConfigError(
            f"{variable} is {named!r}, and no shell expands it: ~, quotes and blanks at its ends would become part of "
            "the path; write the whole path without them"
        )
    return named


def check_paths() -> None:
    """Refuse folders whose path some library cannot use, before any work begins.

    Raises
    ------
    ConfigError
        If such a path is set; the error names the variable, the folder and the forbidden characters.
    """
    lake_uri()
    home()
    folder = tempfile.gettempdir()
    if found := re.search(r"\\|%[0-9A-Fa-f]{2}", folder):
        raise ConfigError(
            f"TMPDIR is {folder!r}, but DuckDB or MLflow misread a path with {found[0]!r}; name a folder with "
            "no backslash, and no % before two digits or letters A to F, in its path"
        )


def _supported(path: str, variable: str) -> str:
    """Return a folder or address, and refuse paths under which Delta Lake cannot keep tables."""
    found = _NOT_IN_PATHS.search(path)
    if found:
        raise ConfigError(
            f"{variable} is {path!r}, but Delta Lake cannot keep tables under a path with {found[0]!r}; name another "
            "place, without [ ] | ^ # ? \\, control characters, and % before two digits or letters A to F"
        )
    return path


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
    """Return a text without the user names and passwords of all addresses in it."""
    return re.sub(r"(?<=://)\S*@", "", text)


def artifact_root() -> str | None:
    """Return the folder for the files of a new MLflow experiment (NIGHTSHIFT_ARTIFACT_ROOT).

    None leaves the choice to the tracking server. Without a server (a `sqlite:` tracking address), MLflow would write
    below the current folder, so this returns a folder in the home folder.
    """
    named = os.environ.get("NIGHTSHIFT_ARTIFACT_ROOT")
    if named or not tracking_uri().startswith("sqlite:"):
        return named or None
    return (home() / "mlflow" / "artifacts").as_uri()


def in_container() -> bool:
    """Return whether this process runs in a container; our image and podman set the variable `container`."""
    return bool(os.environ.get("container"))  # noqa: SIM112  container engines write it in lower case


def threads() -> int:
    """Return how many threads one task may use (NIGHTSHIFT_THREADS, default: every core)."""
    return int(os.environ.get("NIGHTSHIFT_THREADS") or os.cpu_count() or 1)


def query_memory() -> str:
    """Return how much memory the feature query may use before it spills to disk (NIGHTSHIFT_QUERY_MEMORY)."""
    return os.environ.get("NIGHTSHIFT_QUERY_MEMORY") or "800MB"


def tuning_storage() -> str | None:
    """Return the address of the database for tuning trials (NIGHTSHIFT_TUNING_STORAGE); None: a journal file."""
    return os.environ.get("NIGHTSHIFT_TUNING_STORAGE") or None


def training_pool() -> str | None:
    """Return the name of Airflow's pool for training tasks (NIGHTSHIFT_TRAINING_POOL); None: the default pool."""
    return os.environ.get("NIGHTSHIFT_TRAINING_POOL") or None


def env_file() -> dict[str, str]:
    """Return the variables of the project's .env file; empty where there is no file."""
    path = root() / ".env"
    return parse_env(path.read_text(encoding="utf-8")) if path.is_file() else {}


def parse_env(text: str) -> dict[str, str]:
    """Return the variables of a text with one `NAME=value` on each line; `#` begins a comment line."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#") and "=" in line)
    return {name.strip().removeprefix("export "): value.strip().strip("\"'") for name, _, value in pairs}
