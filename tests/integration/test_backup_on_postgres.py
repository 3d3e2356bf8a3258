"""A backup of databases on PostgreSQL, with files that MLflow's server serves, and its restore into empty ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from include.core.errors import BackupFailed, RestoreRefused
from include.ops.production.backup import back_up
from include.ops.production.restore import restore
from include.registry.champion import find_champion
from include.registry.load_model import load_champion
from include.registry.records import chain
from include.registry.verification import verify_models
from tests.integration.killed_registration import shop as small_shop
from tests.services.airflow import airflow_environment
from tests.services.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.registry.champion import Champion
    from tests.services.postgres import Postgres

pytestmark = pytest.mark.skipif(not shutil.which("pg_dump"), reason="PostgreSQL's programs are not installed")

DATABASES = ("airflow", "mlflow", "mlflow_auth", "optuna")


class Place:
    """A stack's databases, which have a role of their own, and folders."""

    def __init__(self, name: str, postgres: Postgres, folder: Path) -> None:
        self.name, self.postgres, self.folder = name, postgres, folder
        self.password = f"of-{name}/with:signs@"
        self.champion: Champion | None = None
        postgres.run(f"CREATE ROLE {name} LOGIN PASSWORD '{self.password}'")
        for database in DATABASES:
            postgres.run(f"CREATE DATABASE {name}_{database} OWNER {name}")
        folder.mkdir()

    def url(self, database: str, driver: str = "postgresql+psycopg2", **parts: Any) -> str:
        """Return the address of a database."""
        named = {"username": self.name, "password": self.password, "database": f"{self.name}_{database}"}
        engine = self.postgres.engine(drivername=driver, **named | parts)
        return engine.url.render_as_string(hide_password=False)

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """Return what a query finds in a database."""
        from sqlalchemy import create_engine, text

        engine = create_engine(self.url(database))
        with engine.begin() as connection:
            result = connection.execute(text(query))
            found = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return found

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Let everything from here on be of this place, as the services of a stack have it in their environment."""
        (self.folder / "auth.ini").write_text(f"[mlflow]\ndatabase_uri = {self.url('mlflow_auth')}\n")
        for name, value in {
            "NIGHTSHIFT_HOME": str(self.folder / "home"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.url("airflow"),
            "MLFLOW_BACKEND_STORE_URI": self.url("mlflow", "postgresql"),
            "MLFLOW_ARTIFACTS_DESTINATION": str(self.folder / "artifacts"),
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "NIGHTSHIFT_TUNING_STORAGE": self.url("optuna", "postgresql+psycopg"),
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # nobody listens: a restore is into a stack that does not run
        }.items():
            patch.setenv(name, value)

    @contextmanager
    def serving(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Run MLflow's server, which hands the models' files through."""
        address = f"http://127.0.0.1:{free_port()}"
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", address.rpartition(":")[2]),
            *("--backend-store-uri", self.url("mlflow", "postgresql"), "--workers", "1"),
            *("--artifacts-destination", str(self.folder / "artifacts")),
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        with (self.folder / "mlflow.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            while not answers(f"{address}/health"):
                assert process.poll() is None, (self.folder / "mlflow.log").read_text()
                time.sleep(0.2)
            patch.setenv("MLFLOW_TRACKING_URI", address)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(180)
            patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")


def answers(url: str) -> bool:
    """Return whether somebody answers there."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  an http address of our own
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def first(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Make a place with a champion, its record, Airflow's tables, a login and a search."""
    place = Place("first", postgres, tmp_path_factory.mktemp("first") / "stack")
    with pytest.MonkeyPatch.context() as patch:
        place.use(patch)
        environment = airflow_environment(place.folder) | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": place.url("airflow")}
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, env=environment, check=True, capture_output=True)
        place.rows("airflow", "INSERT INTO variable (key, val, is_encrypted) VALUES ('kept', 'by Airflow', false)")
        place.rows("mlflow_auth", "CREATE TABLE users AS SELECT 'ada' AS username")
        place.rows("optuna", "CREATE TABLE studies AS SELECT 'shop' AS study_name")
        with place.serving(patch):
            small_shop(place.folder).register("night-1", expected_champion=None)
            content = {"challenger_version": 1}
            chain.append("shop", "retrain", "night-1", by="shop.retrain", content=content, now=datetime.now(UTC))
            place.champion = find_champion("shop")
    return place


@pytest.fixture(scope="module")
def backup(first: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup of the first place, whose MLflow server does not run."""
    with pytest.MonkeyPatch.context() as patch:
        first.use(patch)
        return back_up(tmp_path_factory.mktemp("backups"))


def test_empty_databases_get_the_same_champion_and_history(
    first: Place, backup: Path, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another role and in other folders: each database's rows, and a champion whose model the server gives."""
    first.use(monkeypatch)
    records = chain.read_all("shop")
    second = Place("second", postgres, tmp_path / "stack")
    second.use(monkeypatch)
    told: list[str] = []

    assert restore(backup, told.append) == []

    assert "the champion is version 1; all are unchanged" in told[-1]
    assert not [line for line in told if second.password in line]
    assert chain.read_all("shop") == records
    assert second.rows("airflow", "SELECT val FROM variable") == [("by Airflow",)]
    assert second.rows("mlflow_auth", "SELECT username FROM users") == [("ada",)]
    assert second.rows("optuna", "SELECT study_name FROM studies") == [("shop",)]
    with second.serving(monkeypatch):
        assert find_champion("shop") == first.champion
        assert first.champion is not None
        load_champion(first.champion)
        assert verify_models("shop", records) == []
    with pytest.raises(RestoreRefused, match=r"/second_airflow has \d+ tables|is not empty"):
        restore(backup)


def in_plain(path: Path) -> bytes:
    """Return a part of a backup as it can be searched: pg_dump compresses its own."""
    if path.suffix != ".dump":
        return path.read_bytes()
    return subprocess.run(["pg_restore", "--file=-", str(path)], capture_output=True, check=True).stdout


def test_a_password_is_neither_in_the_backup_nor_in_an_error(
    first: Place, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that refuses the password is told in one sentence with the name of the setting."""
    written = {path.name: in_plain(path) for path in backup.iterdir()}
    assert b"by Airflow" in written["airflow.dump"]  # a row of the database, so what is looked through is readable
    assert [name for name, content in written.items() if first.password.encode() in content] == []
    first.use(monkeypatch)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", first.url("airflow", password="wrong-but-secret"))

    with pytest.raises(BackupFailed, match=r"first_airflow could not be dumped .*authentication failed") as caught:
        back_up(tmp_path / "backups")

    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [".lock"]


def test_sqlite_does_not_take_what_postgresql_had(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded stack refuses the backup of a production stack before it writes anything."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "var"))

    with pytest.raises(RestoreRefused, match=r"cannot be restored into sqlite:|no setting names its target"):
        restore(backup)

    assert not (tmp_path / "var").exists()


def test_a_table_that_cannot_be_filled_leaves_its_database_empty(
    backup: Path, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that may not write there is told of in one sentence, and no half of the tables is there."""
    third = Place("third", postgres, tmp_path / "stack")
    third.use(monkeypatch)
    postgres.run("ALTER DATABASE third_airflow SET default_transaction_read_only = on")

    with pytest.raises(RestoreRefused, match=r"third_airflow could not be filled .* and is still empty"):
        restore(backup)

    query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    assert third.rows("airflow", query) == [(0,)]
