"""A production stack does not start with a well-known password, or in plain text on a network."""

from __future__ import annotations

import subprocess
import sys

import pytest

from include.core import settings
from include.ops.production.guard import refusals


@pytest.mark.parametrize("value", ["", "postgres", "Admin123!", "changeme", "airflow-2024", "0123456789a"])
def test_a_weak_secret_is_refused(value: str) -> None:
    """Empty, well-known and short secrets are named, never with their values."""
    (why,) = refusals({"NIGHTSHIFT_POSTGRES_PASSWORD": value})

    assert why.startswith("NIGHTSHIFT_POSTGRES_PASSWORD is ")
    assert not value or f"'{value}'" not in why


def test_a_missing_secret_is_named() -> None:
    """One sentence names all missing secrets."""
    (why,) = refusals({}, ["NIGHTSHIFT_FERNET_KEY", "NIGHTSHIFT_JWT_SECRET"])

    assert why.startswith("NIGHTSHIFT_FERNET_KEY, NIGHTSHIFT_JWT_SECRET is not set; run `make stack`")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "[::1]", "localhost", "127.0.1.1", ""])
def test_an_address_of_this_machine_needs_no_tls(address: str) -> None:
    """A local address may use plain text."""
    assert refusals({"NIGHTSHIFT_PUBLISH_ADDRESS": address}) == []


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.4", "nightshift.example.org"])  # noqa: S104
def test_a_public_address_needs_tls_in_front(address: str) -> None:
    """A public address is refused unless .env sets a TLS proxy in front."""
    (why,) = refusals({"NIGHTSHIFT_PUBLISH_ADDRESS": address})
    assert address in why
    assert "TLS" in why
    assert refusals({"NIGHTSHIFT_PUBLISH_ADDRESS": address, "NIGHTSHIFT_TLS": "yes"}) == [why]
    assert refusals({"NIGHTSHIFT_PUBLISH_ADDRESS": address, "NIGHTSHIFT_TLS": "in-front"}) == []


def _start(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "include.ops.production.start", *(command or ("echo", "started"))],
        cwd=settings.root(),
        env={"PATH": "/usr/bin:/bin"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_container_becomes_its_command() -> None:
    """With strong secrets the command replaces the entry point."""
    done = _start({"NIGHTSHIFT_REDIS_PASSWORD": "r" * 30})

    assert (done.returncode, done.stdout) == (0, "started\n")


@pytest.mark.parametrize("public", ["", "https://mlflow.example.org"])
def test_the_address_of_a_proxy_takes_the_place_of_the_port(public: str) -> None:
    """Links and the login lead to the port on this machine, unless a proxy is in front of it."""
    local = "http://127.0.0.1:15001"
    addresses = {"NIGHTSHIFT_MLFLOW_URL": local, "PUBLIC_MLFLOW_URL": public}

    done = _start(addresses, "sh", "-c", 'echo "$NIGHTSHIFT_MLFLOW_URL"')

    assert done.stdout.strip() == (public or local)


def test_a_container_refuses_to_start() -> None:
    """With a weak secret the command does not run, and the exit status means a configuration error."""
    done = _start({"NIGHTSHIFT_REDIS_PASSWORD": "redis"})

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("nightshift: refusing to start: NIGHTSHIFT_REDIS_PASSWORD is shorter than 12")
