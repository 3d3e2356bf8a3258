"""What every test has: a home of its own, and no setting of the machine that it runs on."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadFileScheduling

from include.ops.demo.sources import DemoSources, prepare_sources
from include.registry import client
from include.training import reload
from tests import factories
from tests.forked import reload_forked
from tests.services.airflow import migrate
from tests.shared import made_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xdist.remote import Producer

#: The files of such a folder share a running Airflow: the process that forks its runs, or an embedded stack.
SHARED_AIRFLOWS = ("tests/dags/", "tests/integration/embedded/")

STACK_TESTS = Path(__file__).parent / "stack"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make test-stack` ask for the tests that need a container engine, and take their time."""
    parser.addoption("--run-stack", action="store_true", help="run the production stack in containers, and injure it")
    parser.addoption("--run-slow", action="store_true", help="run also what repeats a promise at full size")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that repeat a promise at full size, unless they are asked for."""
    if not config.getoption("--run-slow"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        items[:] = [item for item in items if item not in slow]
        config.hook.pytest_deselected(items=slow)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests of the production stack, unless they are asked for."""
    return True if collection_path == STACK_TESTS and not config.getoption("--run-stack") else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Give the files that share a running Airflow to one process; every other file is one process's own."""
    return ByAirflow(config, log) if config.getoption("dist") == "loadfile" else None


class ByAirflow(LoadFileScheduling):
    """A file is the unit that a process gets, and so is a folder that shares an Airflow."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in SHARED_AIRFLOWS if file.startswith(folder)), file)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Keep bytes out of the tests' names: packed ones hold the time, and each of several processes has others."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home folder of its own and return it."""
    for name in list(os.environ):
        if name.startswith(("NIGHTSHIFT_", "MLFLOW_", "AIRFLOW_CONN_")) or name == "LAKE_URI":
            monkeypatch.delenv(name)
    folder = tmp_path / "var"
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(folder))
    monkeypatch.setenv("NIGHTSHIFT_THREADS", "1")  # more only wait for each other on small frames
    logging.getLogger("include").setLevel(logging.NOTSET)  # the command line quietens it for its process
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture(autouse=True)
def forked_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the fresh process in which a run loads its model again; tests of that process itself start a real one."""
    monkeypatch.setattr(reload, "_run", reload_forked)


@pytest.fixture(autouse=True)
def copied_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy MLflow's database to where a test needs its first one: to make the tables takes seconds."""
    migrate_store = client.migrate_store

    def copy_and_migrate(path: Path, tell: Callable[[str], None]) -> None:
        if not path.exists():
            store = made_once(tmp_path_factory, "mlflow", partial(make_store, migrate_store=migrate_store))
            copy_store(store / "mlflow" / "mlflow.db", path)
        migrate_store(path, tell)

    monkeypatch.setattr(client, "migrate_store", copy_and_migrate)


def make_store(home: Path, migrate_store: Callable[[Path, Callable[[str], None]], None]) -> None:
    """Let MLflow make its database and its first experiment in a home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "migrate_store", migrate_store)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("NIGHTSHIFT_HOME", str(home))
        with client.mlflow_client("making the tables") as mlflow:
            mlflow.search_experiments()


def copy_store(store: Path, path: Path) -> None:
    """Copy the database and its note, unless another process has made one or nothing can be written there."""
    with suppress(OSError):
        whole = path.with_name(f".{path.name}.{os.getpid()}")
        shutil.copy(store, whole)
        try:
            path.hardlink_to(whole)
            shutil.copy(f"{store}.migrated", f"{path}.migrated")
        finally:
            whole.unlink()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Return a port of this machine at which nothing listens, and nobody can before the test has ended."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate an Airflow database once; each test copies it."""
    return made_once(tmp_path_factory, "airflow", migrate)


@pytest.fixture(scope="session")
def year_of_flights(tmp_path_factory: pytest.TempPathFactory) -> DemoSources:
    """Make the whole of the demo's sources once, next to today; they are only read."""
    today = datetime.now(UTC).date()
    folder = made_once(tmp_path_factory, "year", lambda to: prepare_sources(to / "sources", today))
    return prepare_sources(folder / "sources", today)  # which are there


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the shop's pipeline and database, connect them, and return the pipeline's folder."""
    database = tmp_path / "shop.db"
    factories.write_sales(database, factories.sales())
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(tmp_path / "pipelines"))
    return factories.write_shop(tmp_path / "pipelines")
