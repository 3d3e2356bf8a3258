"""MLflow's SQLite file of an older MLflow is migrated with a copy kept; a newer one's is refused."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from include.core.errors import OtherRelease
from include.registry import store
from include.registry.champion import find_champion
from include.registry.store import migrate_store
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

DUMP = "mlflow-3.1.4.sql.gz"


def revision(path: Path) -> str:
    """Return the revision of a database."""
    with closing(sqlite3.connect(path)) as there:
        return there.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_the_champion_of_an_older_mlflow_is_found(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After `make lock`, a run continues with the existing registry; a copy of the old file is kept."""
    path = factories.write_database(home / "mlflow" / "mlflow.db", DUMP)
    before = revision(path)

    with caplog.at_level(logging.WARNING, "include"):
        champion = find_champion("flight_delays")

    assert (champion.version, champion.family, champion.manifest) == (1, "lightgbm", None)
    (kept,) = path.parent.glob("mlflow-before-*.db")
    assert (revision(kept), revision(path) != before) == (before, True)
    assert [told for told in caplog.messages if f"was saved as {kept}" in told]

    with caplog.at_level(logging.WARNING, "include"):
        caplog.clear()
        assert find_champion("flight_delays") == champion
    assert "migrated" not in caplog.text


def test_the_database_of_a_newer_mlflow_is_refused_and_left_alone(home: Path) -> None:
    """After a return to an older lock, one sentence says so, and MLflow does not touch the file."""
    path = factories.write_database(home / "mlflow" / "mlflow.db", DUMP, revision="ffffffffffff")
    before = path.read_bytes()

    with pytest.raises(OtherRelease, match=r"mlflow\.db is at revision ffffffffffff, which MLflow .* go back") as told:
        find_champion("flight_delays")

    assert "\n" not in str(told.value)
    assert path.read_bytes() == before


def test_a_database_that_mlflow_cannot_migrate_is_unchanged(tmp_path: Path) -> None:
    """The sentence has MLflow's own reason; no copy is kept of an unchanged file."""
    path = factories.write_database(tmp_path / "mlflow.db", DUMP)
    with closing(sqlite3.connect(path)) as there, there:
        there.execute("DROP TABLE logged_models")
        there.execute("DROP TABLE model_versions")
    before = path.read_bytes()

    with pytest.raises(OtherRelease, match=r"could not make its tables in a copy of its database \(.*model_versions"):
        migrate_store(path, pytest.fail)

    assert path.read_bytes() == before
    assert list(tmp_path.glob("*before*")) == []


def test_a_file_that_mlflow_has_made_is_not_migrated(client: object, mlflow_home: Path, tmp_path: Path) -> None:
    """A file of the installed MLflow is checked once and then known to be current."""
    path = tmp_path / "mlflow.db"
    shutil.copy(mlflow_home / "mlflow" / "mlflow.db", path)

    migrate_store(path, pytest.fail)

    assert path.with_name("mlflow.db.migrated").read_text().endswith(revision(path))


def test_a_missing_file_is_created_with_all_tables_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks meanwhile finds no file; a first run finds the tables of the installed MLflow."""
    path, upgrade = tmp_path / "mlflow.db", store._upgrade
    seen = []

    def look(made: Path) -> None:
        upgrade(made)
        seen.append((path.exists(), made.parent.parent))

    monkeypatch.setattr(store, "_upgrade", look)

    migrate_store(path, pytest.fail)

    assert seen == [(False, tmp_path)]
    assert path.with_name("mlflow.db.migrated").read_text().endswith(revision(path))
    with closing(sqlite3.connect(path)) as there:
        assert there.execute("SELECT count(*) FROM model_versions").fetchone() == (0,)
