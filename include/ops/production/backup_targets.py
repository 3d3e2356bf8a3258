"""The databases and folders that a backup copies, as the environment names them."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.request import url2pathname

from include.core import settings
from include.core.errors import BackupFailed


@dataclass(frozen=True)
class Database:
    """A database; `name` is its part of the backup, `setting` the variable with its address and password."""

    name: str
    url: str
    setting: str

    @property
    def shown(self) -> str:
        """The address without a password."""
        return settings.without_password(self.url).partition("?")[0]


@dataclass(frozen=True)
class Tree:
    """A folder with files.

    Attributes
    ----------
    uri
        Address of the folder.
    folder
        Path as the setting has it, because MLflow stores it in this form; None for an object store.
    """

    name: str
    uri: str
    folder: Path | None
    setting: str


@dataclass(frozen=True)
class BackupTargets:
    """Everything that a backup copies together.

    Attributes
    ----------
    auth, trials
        None if MLflow has no logins, or if the trials of a search are stored in the lake.
    fernet
        Digest of the key that encrypts Airflow's database, or None without a key.
    """

    airflow: Database
    mlflow: Database
    auth: Database | None
    trials: Database | None
    artifacts: Tree
    lake: Tree
    fernet: str | None


def find_targets() -> BackupTargets:
    """Return the targets in the environment; their defaults are the files of the embedded stack.

    Raises
    ------
    BackupFailed
        If MLflow is a server, and no setting names its database and files.
    """
    home = settings.home()
    named = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    airflow = named or f"sqlite:///{home / 'airflow' / 'airflow.db'}"
    trials = settings.tuning_storage()
    auth = _auth_url()
    return BackupTargets(
        Database("airflow", airflow, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"),
        Database("mlflow", _mlflow_url(), "MLFLOW_BACKEND_STORE_URI"),
        Database("mlflow-logins", auth, "database_uri in MLFLOW_AUTH_CONFIG_PATH") if auth else None,
        Database("trials", trials, "NIGHTSHIFT_TUNING_STORAGE") if trials else None,
        _tree("artifacts", _artifacts_uri(), "MLFLOW_ARTIFACTS_DESTINATION"),
        _tree("lake", settings.lake_uri(), "LAKE_URI"),
        _fernet_digest(home),
    )


def _mlflow_url() -> str:
    named = os.environ.get("MLFLOW_BACKEND_STORE_URI") or settings.tracking_uri()
    if named.startswith(("http:", "https:")):
        raise BackupFailed(
            f"MLflow is the server at {settings.shown_tracking_uri()}, and no setting names its database; set "
            "MLFLOW_BACKEND_STORE_URI and MLFLOW_ARTIFACTS_DESTINATION to the server's own values, then run this again"
        )
    return named


def _artifacts_uri() -> str:
    named = os.environ.get("MLFLOW_ARTIFACTS_DESTINATION") or settings.artifact_root()
    if not named or named.startswith("mlflow-artifacts:"):
        raise BackupFailed(
            "no setting names the folder in which MLflow's server stores model files; set MLFLOW_ARTIFACTS_DESTINATION "
            "to the server's own value, a folder that this machine can read, then run this again"
        )
    return named


def _auth_url() -> str | None:
    """Return the address of the database of MLflow's logins, from MLflow's own settings file."""
    path = os.environ.get("MLFLOW_AUTH_CONFIG_PATH")
    if not path:
        return None
    settings_file = configparser.ConfigParser(interpolation=None)
    try:
        with Path(path).open(encoding="utf-8") as file:
            settings_file.read_file(file)
        return settings_file["mlflow"]["database_uri"]
    except (OSError, configparser.Error, KeyError) as error:
        raise BackupFailed(
            f"{path}, which MLFLOW_AUTH_CONFIG_PATH names, does not name the database of MLflow's logins "
            f"({type(error).__name__}); expected [mlflow] with database_uri in it"
        ) from error


def _tree(name: str, uri: str, setting: str) -> Tree:
    if uri.startswith("file:"):
        return Tree(name, uri, Path(url2pathname(uri.removeprefix("file://").removeprefix("file:"))), setting)
    if "://" in uri:
        return Tree(name, settings.without_password(uri), None, setting)
    return Tree(name, uri, Path(uri).absolute(), setting)


def _fernet_digest(home: Path) -> str | None:
    key = os.environ.get("AIRFLOW__CORE__FERNET_KEY")
    if not key:
        try:
            key = json.loads((home / "secrets.json").read_text(encoding="utf-8"))["fernet_key"]
        except (OSError, ValueError, KeyError):
            return None
    # the key is random, so nobody can guess it from its digest
    return hashlib.sha256(b"nightshift fernet " + str(key).encode()).hexdigest()[:32]
