"""The secrets of the production stack: their names, how they are generated, and which values are too weak."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Shorter secrets can be guessed.
MIN_LENGTH = 12
#: Default passwords of images and manuals.
DEFAULTS = (
    "admin",
    "airflow",
    "changeme",
    "default",
    "example",
    "mlflow",
    "nightshift",
    "password",
    "postgres",
    "secret",
)


def _password() -> str:
    return secrets.token_urlsafe(24)  # only characters that need no escaping in a URL


def _signing_key() -> str:
    return secrets.token_urlsafe(48)  # 64 characters: HMAC with SHA-512 needs a key of at least 64 bytes


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


#: Every secret by its name in .env, with its purpose and its generator.
SECRETS: dict[str, tuple[str, Callable[[], str]]] = {
    "NIGHTSHIFT_POSTGRES_PASSWORD": ("PostgreSQL's superuser, which no service uses", _password),
    "NIGHTSHIFT_AIRFLOW_DB_PASSWORD": ("Airflow's database", _password),
    "NIGHTSHIFT_CELERY_DB_PASSWORD": ("the workers' results", _password),
    "NIGHTSHIFT_MLFLOW_DB_PASSWORD": ("MLflow's database", _password),
    "NIGHTSHIFT_OPTUNA_DB_PASSWORD": ("the trials of searches", _password),
    "NIGHTSHIFT_REDIS_PASSWORD": ("the queue of tasks", _password),
    "NIGHTSHIFT_FERNET_KEY": ("encrypts Airflow's Connections; without it they are lost", _fernet_key),
    "NIGHTSHIFT_JWT_SECRET": ("signs the tokens of Airflow's API", _signing_key),
    "NIGHTSHIFT_API_SECRET_KEY": ("signs the sessions of Airflow's UI", _signing_key),
    "NIGHTSHIFT_ADMIN_PASSWORD": ("the user admin of Airflow's UI and of MLflow's", _password),
    "NIGHTSHIFT_MLFLOW_PASSWORD": ("the user nightshift of MLflow, which tasks log in as", _password),
    "NIGHTSHIFT_MLFLOW_SECRET_KEY": ("signs MLflow's forms", _signing_key),
    "NIGHTSHIFT_GRAFANA_PASSWORD": ("the user admin of Grafana", _password),
}


def weakness(value: str) -> str | None:
    """Return why a value is too weak, or None."""
    if not value:
        return "is empty"
    if any(value.lower().strip("0123456789!-_. ") == default for default in DEFAULTS):
        return "is a well-known default"
    if len(value) < MIN_LENGTH:
        return f"is shorter than {MIN_LENGTH} characters"
    return None


def weak_secrets(environment: Mapping[str, str]) -> list[str]:
    """Return a clause for each weak secret in an environment."""
    found = {name: weakness(environment[name]) for name in SECRETS if name in environment}
    return [f"{name} {why}" for name, why in found.items() if why]
