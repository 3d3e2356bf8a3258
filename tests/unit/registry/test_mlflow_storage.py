"""Read MLflow's database and artifact folder without MLflow."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from include.core import settings
from include.core.errors import TrackingUnavailable
from include.registry.client import mlflow_client
from include.registry.mlflow_storage import StoredVersion, move_artifacts, stored_champions, verify_stored_models
from include.registry.records.models import ModelIdentity
from include.registry.verification import verify_models
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.registry.conftest import Shop


def database(home: Path) -> str:
    """Return the address of the tests' MLflow."""
    return f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"


def version(name: str, home: Path) -> StoredVersion:
    """Return the champion of a test's own model."""
    [found] = [each for each in stored_champions(database(home)) if each.name == name]
    return found


def test_the_champion_is_the_one_that_the_alias_names(shop_model: Shop, mlflow_home: Path) -> None:
    """Not a challenger; its folder holds the files of its manifest."""
    shop_model.register("night-1")
    shop_model.register("night-2", promote=False)

    champion = version(shop_model.name, mlflow_home)

    assert champion.number == 1
    files = champion.registered_files()
    folder = champion.folder(mlflow_home / "mlflow" / "artifacts")
    assert files is not None
    assert folder is not None
    assert {path: (folder / path).stat().st_size for path in files} == {path: each.size for path, each in files.items()}


def test_a_version_is_verified_as_through_the_server(shop_model: Shop, mlflow_home: Path) -> None:
    """Both report the same for an intact version and for one with a changed file."""
    shop_model.register("night-1")
    records, artifacts = (
        [factories.record(1), factories.record(None), factories.record(1, "rollback")],
        mlflow_home / "mlflow" / "artifacts",
    )
    assert verify_stored_models(shop_model.name, records, database(mlflow_home), artifacts) == []

    folder = version(shop_model.name, mlflow_home).folder(artifacts)
    assert folder is not None
    with (folder / "model.skops").open("ab") as file:
        file.write(b"more")

    [told] = verify_stored_models(shop_model.name, records, database(mlflow_home), artifacts)
    assert told.startswith("record 4: model.skops has the SHA-256")
    [also] = verify_models(shop_model.name, records)
    assert also.partition("; restore it")[0] == told.partition("; restore it")[0]


def test_a_deleted_version_is_a_problem_of_its_record(shop_model: Shop, mlflow_home: Path) -> None:
    """MLflow keeps the row of a version that somebody has deleted."""
    shop_model.register("night-1", promote=False)
    with mlflow_client("deleting a version") as client:
        client.delete_model_version(shop_model.name, "1")

    told = verify_stored_models(shop_model.name, [factories.record(1)], database(mlflow_home), mlflow_home)

    assert told == [f"record 4: version 1 of {shop_model.name} is not in MLflow"]


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("mlflow-artifacts:/1/models/m-1/artifacts", "/served/1/models/m-1/artifacts"),
        ("mlflow-artifacts://host:5000/1/a%20b", "/served/1/a b"),
        ("file:///srv/a%20b/models", "/srv/a b/models"),
        ("/srv/models", "/srv/models"),
        ("s3://bucket/models", "None"),
    ],
)
def test_an_address_leads_to_its_folder(location: str, folder: str, tmp_path: Path) -> None:
    """Relative to the server's folder, absolute, or in a store that has none."""
    served = type(tmp_path)("/served")
    stored = StoredVersion("shop", 1, "models:/m-1", location, ModelIdentity())

    assert str(stored.folder(served)) == folder


def test_files_that_were_moved_are_found_and_others_stay(shop_model: Shop, mlflow_home: Path, tmp_path: Path) -> None:
    """Each address below the old folder changes; one that only begins alike does not."""
    shop_model.register("night-1")
    copy = tmp_path / "mlflow.db"
    shutil.copyfile(mlflow_home / "mlflow" / "mlflow.db", copy)
    before, now = mlflow_home / "mlflow" / "artifacts", tmp_path / "a folder" / "artifacts"
    with closing(sqlite3.connect(copy)) as changed:
        places = [("alike", f"{before.as_uri()}2"), ("served", "mlflow-artifacts:/7")]
        changed.executemany("INSERT INTO experiments (name, artifact_location) VALUES (?, ?)", places)
        changed.commit()

    assert move_artifacts(f"sqlite:///{copy}", before, now) >= 4

    with closing(sqlite3.connect(copy)) as changed:
        found = dict(changed.execute("SELECT name, artifact_location FROM experiments").fetchall())
        # other tests have registered here too, some by a server with addresses of its own
        own = "SELECT artifact_uri FROM runs JOIN experiments USING (experiment_id) WHERE experiments.name = ?"
        runs = [uri for (uri,) in changed.execute(own, [shop_model.name])]
    assert found.items() >= dict(places).items()
    assert found[shop_model.name].startswith(f"{now.as_uri()}/")
    assert runs
    assert all(uri.startswith(f"{now.as_uri()}/") for uri in runs)
    [moved] = [each for each in stored_champions(f"sqlite:///{copy}") if each.name == shop_model.name]
    assert str(moved.folder(now)).startswith(str(now))


def test_addresses_are_moved_in_tables_that_mlflow_was_making(tmp_path: Path) -> None:
    """MLflow first creates old tables and then migrates them; it goes on where the backup found it."""
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as there, there:
        there.execute("CREATE TABLE model_versions (name TEXT, source TEXT)")
        there.execute("INSERT INTO model_versions VALUES ('shop', '/before/1')")

    assert move_artifacts(f"sqlite:///{path}", tmp_path.__class__("/before"), tmp_path.__class__("/now")) == 1

    with closing(sqlite3.connect(path)) as there:
        assert there.execute("SELECT source FROM model_versions").fetchall() == [("/now/1",)]


def test_a_database_without_tables_has_no_champion_and_gets_none(tmp_path: Path) -> None:
    """MLflow would make its tables, perhaps while its server does."""
    url = f"sqlite:///{tmp_path / 'empty.db'}"

    assert stored_champions(url) == []
    assert (tmp_path / "empty.db").stat().st_size == 0


def test_a_database_that_does_not_answer_is_told_without_its_password(closed_port: int) -> None:
    """One sentence names the setting to check."""
    url = f"postgresql://mlflow:secret@127.0.0.1:{closed_port}/mlflow"

    with pytest.raises(TrackingUnavailable, match="MLFLOW_BACKEND_STORE_URI") as caught:
        stored_champions(url)

    assert "secret" not in str(caught.value)
    assert settings.without_password(url) in str(caught.value)
