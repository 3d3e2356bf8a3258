"""The targets of a backup, and the sentences about missing settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from include.core.errors import BackupFailed
from include.ops.production.backup import back_up, databases_of
from include.ops.production.backup_manifest import read_manifest
from include.ops.production.backup_targets import find_targets

if TYPE_CHECKING:
    from pathlib import Path


def test_the_embedded_stack_needs_no_setting(home: Path) -> None:
    """Everything is in the home folder."""
    targets = find_targets()

    assert (targets.airflow.url, targets.mlflow.url) == (
        f"sqlite:///{home / 'airflow' / 'airflow.db'}",
        f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
    )
    assert (targets.artifacts.folder, targets.lake.folder) == (home / "mlflow" / "artifacts", home / "lake")
    assert (targets.auth, targets.trials, targets.fernet) == (None, None, None)


def test_a_server_without_its_own_settings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's address does not say where the server keeps its database and files."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@mlflow:5000")
    with pytest.raises(BackupFailed, match="MLFLOW_BACKEND_STORE_URI") as caught:
        find_targets()
    assert "secret" not in str(caught.value)

    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "postgresql://mlflow@postgres/mlflow")
    with pytest.raises(BackupFailed, match="set MLFLOW_ARTIFACTS_DESTINATION"):
        find_targets()


def test_a_database_with_two_purposes_is_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials can share a database with MLflow's tables."""
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "postgresql://one@postgres/both")
    monkeypatch.setenv("NIGHTSHIFT_TUNING_STORAGE", "postgresql+psycopg2://one@postgres/both")

    assert [database.name for database in databases_of(find_targets())] == ["airflow", "mlflow"]


def test_the_key_is_identified_by_its_digest(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded stack keeps it in a file, the other in the environment."""
    home.mkdir()
    (home / "secrets.json").write_text(json.dumps({"fernet_key": "the-key"}))
    of_file = find_targets().fernet
    (home / "secrets.json").unlink()
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "the-key")

    assert find_targets().fernet == of_file
    assert of_file
    assert "the-key" not in of_file
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "another-key")
    assert find_targets().fernet != of_file


def test_object_stores_and_missing_databases_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backup notes what it lacks, without the password of an address."""
    monkeypatch.setenv("LAKE_URI", "s3://bucket/lake")

    manifest = read_manifest(back_up(tmp_path / "backups"))

    assert list(manifest.parts) == ["artifacts"]
    assert [note.partition(":")[0] for note in manifest.notes] == ["airflow", "mlflow", "lake"]
    assert "s3://bucket/lake is an object store and was not copied" in manifest.notes[-1]


def test_a_backup_into_a_copied_folder_is_refused(home: Path) -> None:
    """The backup would contain itself."""
    with pytest.raises(BackupFailed, match="which the backup copies; name a folder elsewhere"):
        back_up(home / "lake" / "backups")

    assert not (home / "lake").exists()


@pytest.mark.parametrize("url", ["mysql://airflow@db/airflow", "no address"])
def test_another_kind_of_database_is_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is named, and nothing is left behind."""
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)

    with pytest.raises(BackupFailed, match="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        back_up(tmp_path / "backups")

    assert [path.name for path in (tmp_path / "backups").iterdir()] == [".lock"]


def test_unreadable_login_settings_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, and a file without the address."""
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(tmp_path / "auth.ini"))
    with pytest.raises(BackupFailed, match="does not name the database of MLflow's logins"):
        find_targets()

    (tmp_path / "auth.ini").write_text("[mlflow]\nadmin_username = admin\n")
    with pytest.raises(BackupFailed, match="does not name the database of MLflow's logins"):
        find_targets()
