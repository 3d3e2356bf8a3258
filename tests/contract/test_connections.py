"""A connection means the same with Airflow and without it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from include.connections import Connections, EnvironmentConnections
from include.errors import ConnectionMissing
from plugins.hooks.airflow_connections import AirflowConnections

if TYPE_CHECKING:
    from pathlib import Path

BOTH = pytest.mark.parametrize("connections", [EnvironmentConnections(), AirflowConnections()], ids=["env", "airflow"])


@BOTH
@pytest.mark.parametrize("form", ["json", "uri"])
def test_an_sqlite_connection_leads_to_its_file(
    connections: Connections, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either form of the variable gives an engine of the file that it names."""
    path = tmp_path / "shop.db"
    path.touch()
    value = json.dumps({"conn_type": "sqlite", "host": str(path)}) if form == "json" else f"sqlite:///{path}"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", value)

    assert connections.engine("shop").url.database == str(path)


@BOTH
def test_a_folder_connection_leads_to_its_folder(
    connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra field `path` names the folder."""
    monkeypatch.setenv("AIRFLOW_CONN_DROP", json.dumps({"conn_type": "fs", "extra": {"path": str(tmp_path)}}))

    assert str(connections.folder("drop")) == str(tmp_path)


@BOTH
@pytest.mark.parametrize("ask", ["engine", "folder"])
def test_a_missing_connection_is_named(connections: Connections, ask: str) -> None:
    """The sentence names the connection's id."""
    with pytest.raises(ConnectionMissing, match="connection 'nowhere' is not defined"):
        getattr(connections, ask)("nowhere")


@BOTH
def test_a_missing_sqlite_file_is_not_made(
    connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would make an empty database of a misspelt path; we say that it is not there."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "no.db")}))

    with pytest.raises(ConnectionMissing, match="does not exist"):
        connections.engine("shop")
    assert not (tmp_path / "no.db").exists()
