"""The production stack's secrets are generated once and never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from include.core import settings
from include.ops.production import env_file
from include.ops.production.secrets import SECRETS, weak_secrets

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the project's root be an empty folder."""
    monkeypatch.setattr(settings, "root", lambda: tmp_path)
    return tmp_path


def test_the_first_use_generates_every_secret_for_its_owner_alone(project: Path) -> None:
    """The file has every secret, each strong and different, and only its owner can read it."""
    assert env_file.main() == 0

    path = project / ".env"
    drawn = settings.parse_env(path.read_text())
    assert drawn.keys() == SECRETS.keys()
    assert len(set(drawn.values())) == len(drawn)
    assert weak_secrets(drawn) == []
    Fernet(drawn["NIGHTSHIFT_FERNET_KEY"])
    # with a shorter key, HMAC with SHA-512 warns in every log
    assert all(len(drawn[f"NIGHTSHIFT_{name}"]) >= 64 for name in ("JWT_SECRET", "API_SECRET_KEY", "MLFLOW_SECRET_KEY"))
    assert path.stat().st_mode & 0o777 == 0o600


def test_existing_lines_are_unchanged(project: Path) -> None:
    """A team's lines and secrets are kept; only missing secrets are added."""
    path = project / ".env"
    path.write_text("# ours\nLAKE_URI=s3://bucket/lake\nNIGHTSHIFT_REDIS_PASSWORD=a-long-one-of-our-own")
    env_file.main()

    text = path.read_text()
    assert text.startswith("# ours\nLAKE_URI=s3://bucket/lake\nNIGHTSHIFT_REDIS_PASSWORD=a-long-one-of-our-own\n")
    assert text.count("NIGHTSHIFT_REDIS_PASSWORD=") == 1
    assert settings.parse_env(text).keys() == {"LAKE_URI", *SECRETS}


def test_a_second_use_changes_nothing(project: Path) -> None:
    """Neither .env nor the files of a team are written again."""
    env_file.main()
    (project / "connections.env").write_text("AIRFLOW_CONN_SHOP={}\n")
    before = {path.name: path.read_bytes() for path in project.iterdir()}
    assert env_file.main() == 0

    assert {path.name: path.read_bytes() for path in project.iterdir()} == before
    assert before.keys() == {".env", "connections.env", "store.env"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("NIGHTSHIFT_ADMIN_PASSWORD=", "NIGHTSHIFT_ADMIN_PASSWORD is empty"),
        ("NIGHTSHIFT_ADMIN_PASSWORD=Admin123", "NIGHTSHIFT_ADMIN_PASSWORD is a well-known default"),
        ("NIGHTSHIFT_ADMIN_PASSWORD=short", "NIGHTSHIFT_ADMIN_PASSWORD is shorter than 12 characters"),
        ("NIGHTSHIFT_PUBLISH_ADDRESS=0.0.0.0", "NIGHTSHIFT_PUBLISH_ADDRESS is 0.0.0.0"),
    ],
)
def test_refusals_are_reported_before_the_stack_starts(
    project: Path, capsys: pytest.CaptureFixture[str], line: str, why: str
) -> None:
    """The exit status reports a failure, and the sentence names the variable without its value."""
    (project / ".env").write_text(f"{line}\n")

    assert env_file.main() == 1
    told = capsys.readouterr()
    assert f"{project / '.env'}: {why}" in told.err
    drawn = settings.parse_env((project / ".env").read_text())
    assert not any(value in told.out + told.err for name, value in drawn.items() if name in SECRETS and len(value) > 9)
