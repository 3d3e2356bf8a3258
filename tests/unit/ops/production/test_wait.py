"""`make stack` ends with the addresses at which the stack answers, or names the parts that are not healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.core import settings
from include.ops.production import wait

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the project's root be a folder with an empty .env, and every service be healthy."""
    monkeypatch.setattr(settings, "root", lambda: tmp_path)
    monkeypatch.setattr(wait, "states", lambda: {"mlflow": "healthy", "migrate-mlflow": "done"})
    monkeypatch.setattr(wait, "compose", lambda: ["docker-compose"])
    for name in ("AIRFLOW_PORT", "AIRFLOW_URL", "MLFLOW_PORT", "MLFLOW_URL", "PUBLISH_ADDRESS"):
        monkeypatch.delenv(f"NIGHTSHIFT_{name}", raising=False)
    (tmp_path / ".env").touch()
    return tmp_path


def test_the_addresses_are_those_of_compose(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A port may be set in .env or, with precedence, in the environment; a proxy's address is the one to open."""
    chosen = "NIGHTSHIFT_AIRFLOW_PORT=1\nNIGHTSHIFT_MLFLOW_URL=https://mlflow.example.org\n"
    (project / ".env").write_text(chosen)
    monkeypatch.setenv("NIGHTSHIFT_AIRFLOW_PORT", "18081")

    assert wait.main() == 0

    printed = capsys.readouterr().out
    assert "Airflow  http://127.0.0.1:18081\n" in printed
    assert "MLflow   https://mlflow.example.org\n" in printed


def test_the_usual_ports_need_no_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a setting the addresses are the defaults of docker-compose.yaml."""
    assert wait.main() == 0

    printed = capsys.readouterr().out
    assert "http://127.0.0.1:8080\n" in printed
    assert "http://127.0.0.1:5000\n" in printed


def test_a_part_that_failed_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names each part that is not healthy, and the command that shows the log of what failed."""
    monkeypatch.setattr(wait, "states", lambda: {"mlflow": "starting", "migrate-mlflow": "failed with 1"})

    assert wait.main() == 1

    told = capsys.readouterr().err
    assert "migrate-mlflow is failed with 1, mlflow is starting" in told
    assert "`docker-compose logs migrate-mlflow`" in told
