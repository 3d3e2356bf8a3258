"""The stack's environment: secrets stay private, everything listens on this machine only."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from include.ops.embedded.environment import StackPaths, stack_environment, stack_secrets

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_secrets_are_generated_once_and_only_their_owner_reads_them(home: Path) -> None:
    """A second start has the same login; no other user of the machine can read it."""
    first = stack_secrets(home)

    assert stack_secrets(home) == first
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
    assert len(set(first.values())) == len(first)


def test_signing_keys_are_long_enough_for_their_algorithm(home: Path) -> None:
    """Airflow signs tokens by HMAC with SHA-512 and warns, in every log, of a key of fewer than 64 bytes."""
    drawn = stack_secrets(home)

    assert min(len(drawn[name].encode()) for name in ("jwt_secret", "api_secret_key")) >= 64


def test_two_homes_have_different_secrets(home: Path, tmp_path: Path) -> None:
    """Two clones of the repository have different secrets."""
    assert not set(stack_secrets(home).values()) & set(stack_secrets(tmp_path / "other").values())


def test_the_stack_listens_on_this_machine_only(home: Path) -> None:
    """Each address in the environment is 127.0.0.1."""
    environment = stack_environment(StackPaths(home, 8080, 5000), {})

    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    addresses = [value for value in environment.values() if value.startswith("http://")]
    assert addresses
    assert all(address.startswith("http://127.0.0.1:") for address in addresses)


def test_the_environment_overrides_other_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exported Airflow setting overrides the project's, and an exported connection the demo's."""
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "7")
    monkeypatch.setenv("AIRFLOW_CONN_LANDING", "mine")

    environment = stack_environment(StackPaths(home, 8080, 5000), {"AIRFLOW_CONN_LANDING": "the demo's"})

    assert environment["AIRFLOW__CORE__PARALLELISM"] == "7"
    assert environment["AIRFLOW_CONN_LANDING"] == "mine"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
