"""`make stack DEMO=1` connects the demo's sources where the workers of the production stack find them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.core import settings
from include.ops.demo import stack_connections
from include.ops.demo.sources import connections

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the project's root be an empty folder, and return its connections.env."""
    monkeypatch.setattr(settings, "root", lambda: tmp_path)
    return tmp_path / "connections.env"


@pytest.mark.parametrize("before", ["", "AIRFLOW_CONN_SHOP={}", "AIRFLOW_CONN_SHOP={}\n"])
def test_the_connections_are_added_once(file: Path, capsys: pytest.CaptureFixture[str], before: str) -> None:
    """Existing lines are kept, and a second call changes nothing."""
    if before:
        file.write_text(before)
    stack_connections.main()
    assert "added the demo's connections AIRFLOW_CONN_AIRLINE_OPS, AIRFLOW_CONN_LANDING" in capsys.readouterr().out

    text = file.read_text()
    assert text.startswith(before.strip())
    found = settings.parse_env(text)
    found.pop("AIRFLOW_CONN_SHOP", None)
    assert found == connections(stack_connections.SOURCES)
    assert file.stat().st_mode & 0o777 == 0o600
    stack_connections.main()
    assert file.read_text() == text


def test_a_connection_of_a_team_is_not_replaced(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A connection with the name of a demo connection is kept, and a sentence says so."""
    own = 'AIRFLOW_CONN_LANDING={"conn_type": "fs", "extra": {"path": "/data/landing"}}\n'
    file.write_text(own)
    stack_connections.main()

    text = file.read_text()
    assert text.startswith(own)
    assert text.count("AIRFLOW_CONN_LANDING=") == text.count("AIRFLOW_CONN_AIRLINE_OPS=") == 1
    assert "AIRFLOW_CONN_LANDING has a value of your own and was kept" in capsys.readouterr().err


def test_the_folder_is_that_of_the_image() -> None:
    """`nightshift sources` in a worker writes below the home that the Dockerfile names."""
    root = stack_connections.SOURCES.parents[0]
    assert f"NIGHTSHIFT_HOME={root} " in (settings.root() / "Dockerfile").read_text()
