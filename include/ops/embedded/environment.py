"""The environment of the embedded stack: addresses, secrets and Airflow's lean settings."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core import settings
from include.core.private_file import write_private

if TYPE_CHECKING:
    from pathlib import Path

#: Environment variable that marks every process of a stack; its value is the stack's home folder.
MARK = "NIGHTSHIFT_STACK"

ADMIN = "admin"


@dataclass(frozen=True)
class StackPaths:
    """Folders and addresses of a stack on this machine."""

    home: Path
    airflow_port: int
    mlflow_port: int

    @property
    def airflow_url(self) -> str:
        """Address of the Airflow UI and its REST API."""
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        """Address of the MLflow UI and its tracking server."""
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def airflow_home(self) -> Path:
        """Folder of Airflow's database and task logs."""
        return self.home / "airflow"

    @property
    def mlflow_home(self) -> Path:
        """Folder of MLflow's database and artifacts."""
        return self.home / "mlflow"

    @property
    def logs(self) -> Path:
        """Folder of the parts' own logs."""
        return self.home / "logs"


def stack_environment(paths: StackPaths, connections: dict[str, str]) -> dict[str, str]:
    """Return the environment of every part of the stack.

    The environment and .env override `config/embedded.env` and `connections`; addresses, ports and secrets are always
    the stack's own.
    """
    keys = stack_secrets(paths.home)
    root = settings.root()
    own = {
        MARK: str(paths.home),
        "SPT_NOENV": "1",  # without it Airflow's process titles overwrite the mark, and `stop_marked` finds no orphan
        "NIGHTSHIFT_HOME": str(paths.home),
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "config")]),
        "PATH": os.pathsep.join([str(root / ".venv" / "bin"), os.environ.get("PATH", "")]),
        "AIRFLOW_HOME": str(paths.airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(root / "plugins"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{paths.airflow_url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords_file(paths, keys)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{paths.airflow_home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(paths.airflow_home / "logs"),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(paths.airflow_port),
        "AIRFLOW__API__BASE_URL": paths.airflow_url,
        "AIRFLOW__API__SECRET_KEY": keys["api_secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt_secret"],
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet_key"],
        "MLFLOW_TRACKING_URI": paths.mlflow_url,
    }
    return read_env(root / "config" / "embedded.env") | connections | settings.env_file() | os.environ | own


def run_airflow(arguments: tuple[str, ...]) -> int:
    """Run an Airflow command on the stack's database, whether the stack runs or not; return its exit status."""
    environment = stack_environment(StackPaths(settings.home(), 8080, 5000), {})
    del environment[MARK]  # the command is no part of the stack, and must not be stopped with it
    return subprocess.run([sys.executable, "-m", "airflow", *arguments], env=environment, check=False).returncode


def read_env(path: Path) -> dict[str, str]:
    """Read a file of `NAME=value` lines."""
    return settings.parse_env(path.read_text(encoding="utf-8"))


def stack_secrets(home: Path) -> dict[str, str]:
    """Return the stack's secrets; the first call generates them into a file that only its owner can read."""
    path = home / "secrets.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        generated = {
            "admin_password": secrets.token_urlsafe(12),
            "api_secret_key": secrets.token_hex(32),
            "jwt_secret": secrets.token_hex(32),
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
    _write_json(path, generated)
    return generated


def _passwords_file(paths: StackPaths, keys: dict[str, str]) -> Path:
    path = paths.airflow_home / "passwords.json"
    _write_json(path, {ADMIN: keys["admin_password"]})
    return path


def _write_json(path: Path, content: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(content))
