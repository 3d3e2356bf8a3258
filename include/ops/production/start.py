"""The entry point of the image: `python -m include.ops.production.start COMMAND...` becomes the command, or refuses."""

from __future__ import annotations

import configparser
import io
import os
import sys
from pathlib import Path

from include.core.private_file import write_private
from include.ops.production.guard import refusals

#: Where MLflow's own logins are kept, as its server wants to be told: by a file.
_MLFLOW_AUTH = "MLFLOW_AUTH_CONFIG_PATH"


def main(command: list[str]) -> None:
    """Become the command, or exit with 78, which means a mistake in the configuration."""
    refused = refusals(os.environ)
    for why in refused:
        print(f"nightshift: refusing to start: {why}", file=sys.stderr)
    if refused:
        sys.exit(78)
    if _MLFLOW_AUTH in os.environ:
        _write_mlflow_auth(Path(os.environ[_MLFLOW_AUTH]), os.environ["NIGHTSHIFT_MLFLOW_AUTH_URI"])
    os.execvp(command[0], command)  # noqa: S606  the image's own command


def _write_mlflow_auth(path: Path, uri: str) -> None:
    """Write the file of MLflow's basic authentication, which may hold no secret but the database's."""
    config = configparser.ConfigParser(interpolation=None)
    config["mlflow"] = {
        "default_permission": "READ",
        "database_uri": uri,
        # a password is hashed anew for each request otherwise, which takes longer than what is asked
        "auth_cache_ttl_seconds": "60",
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
    }
    text = io.StringIO()
    config.write(text)
    write_private(path, text.getvalue())


if __name__ == "__main__":
    main(sys.argv[1:])
