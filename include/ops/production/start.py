"""The image's entry point: `python -m include.ops.production.start COMMAND...` checks the settings and runs COMMAND."""

from __future__ import annotations

import configparser
import io
import os
import sys
from pathlib import Path

from include.core.private_file import write_private
from include.ops.production.guard import refusals

#: Path of the file from which MLflow's server reads the settings of its logins.
_MLFLOW_AUTH = "MLFLOW_AUTH_CONFIG_PATH"
#: Addresses for a browser, each with the variable that has a proxy's address instead, if there is a proxy.
_ADDRESSES = {"AIRFLOW__API__BASE_URL": "PUBLIC_AIRFLOW_URL", "NIGHTSHIFT_MLFLOW_URL": "PUBLIC_MLFLOW_URL"}


def main(command: list[str]) -> None:
    """Replace this process by the command, or exit with 78 (a configuration error)."""
    refused = refusals(os.environ)
    for why in refused:
        print(f"nightshift: refusing to start: {why}", file=sys.stderr)
    if refused:
        sys.exit(78)
    os.environ.update({name: os.environ[public] for name, public in _ADDRESSES.items() if os.environ.get(public)})
    if _MLFLOW_AUTH in os.environ:
        _write_mlflow_auth(Path(os.environ[_MLFLOW_AUTH]), os.environ["NIGHTSHIFT_MLFLOW_AUTH_URI"])
    os.execvp(command[0], command)  # noqa: S606  the image's own command


def _write_mlflow_auth(path: Path, uri: str) -> None:
    """Write the settings of MLflow's basic authentication; the database's password is the only secret in it."""
    config = configparser.ConfigParser(interpolation=None)
    config["mlflow"] = {
        "default_permission": "READ",
        "database_uri": uri,
        # without a cache, hashing the password takes longer than the request itself
        "auth_cache_ttl_seconds": "60",
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
    }
    text = io.StringIO()
    config.write(text)
    write_private(path, text.getvalue())


if __name__ == "__main__":
    main(sys.argv[1:])
