"""Errors that a log can show: types, places and causes stay, secrets do not."""

from __future__ import annotations

import re
import traceback

import pytest

from include.core import settings
from include.core.redaction import hide_secrets, redacted, secrets_of_environment

PASSWORD = "hunter2-of-the-shop"


class DriverError(Exception):
    """Makes its text from attributes, as SQLAlchemy's errors do."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def __str__(self) -> str:
        return f"cannot connect to {self.address}"


def connect(address: str) -> None:
    """Fail as a driver does, with a cause."""
    try:
        raise OSError(f"refused: {address}")
    except OSError as error:
        raise DriverError(address) from error


def test_the_copy_of_an_error_has_its_types_places_and_causes_without_the_password() -> None:
    """The reader of a log finds the failing line of the driver, and no password in either text."""
    with pytest.raises(DriverError) as caught:
        connect(f"postgresql://nightshift:{PASSWORD}@db/lake")

    shown = "".join(traceback.format_exception(redacted(caught.value)))

    assert "OSError: refused: postgresql://db/lake" in shown
    assert "DriverError: cannot connect to postgresql://db/lake" in shown
    assert "in connect" in shown
    assert PASSWORD not in shown


def test_a_cause_that_was_suppressed_stays_so() -> None:
    """The copy shows what Python's own traceback of the error shows."""
    shown = DriverError("here")
    shown.__context__, shown.__suppress_context__ = OSError("hidden"), True

    assert redacted(shown).__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://nightshift:{PASSWORD}@db/lake",
        f"postgresql:///lake?user=nightshift&password={PASSWORD}&sslmode=require",
        f"connection failed: host=db password={PASSWORD}",
        f"401 for a request with Authorization: Bearer {PASSWORD}",
        f'{{"api_key": "{PASSWORD}"}}',
    ],
)
def test_a_secret_is_hidden_however_a_driver_writes_it(text: str) -> None:
    """Drivers repeat an address as a URL, with options, or as libpq's settings; clients repeat headers and bodies."""
    assert PASSWORD not in hide_secrets(text)


def test_a_secret_of_the_environment_is_hidden_where_it_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that cuts an address at a slash shows a part of its password; a path to a secret is none."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://nightshift:first-part/second%20part@mlflow")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    monkeypatch.setenv("AIRFLOW_PASSWORD_FILE", "/run/secrets/airflow")

    shown = hide_secrets(
        f"nonnumeric port: 'first-part', then {PASSWORD}; first-part/second part; /run/secrets/airflow"
    )

    assert shown == "nonnumeric port: '***', then ***; ***; /run/secrets/airflow"
    assert "/run/secrets/airflow" not in secrets_of_environment()


def test_no_error_is_raised_without_its_cause() -> None:
    """The traceback of a driver is what a person needs to find a fault of the driver or of our call."""
    root = settings.root()
    files = [path for folder in ("include", "plugins", "dags") for path in (root / folder).rglob("*.py")]

    assert [str(path) for path in files if re.search(r"\bfrom None\b", path.read_text(encoding="utf-8"))] == []
