"""What every test has: a home of its own, and no setting of the machine that it runs on."""

from __future__ import annotations

import json
import logging
import os
from datetime import date
from pathlib import Path

import pytest

from include.core import settings
from include.ops.demo.sources import DemoSources, connections, prepare_sources
from include.training import reload
from include.training.reload_model import reload_model
from tests import factories
from tests.forked import Forked

STACK_TESTS = Path(__file__).parent / "stack"

#: The slice of flights that the tests learn from: enough weeks for a holdout and two folds.
FLIGHTS_FROM, FLIGHTS_TO = date(2013, 1, 1), date(2013, 2, 28)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make test-stack` ask for the tests that need a container engine, and take their time."""
    parser.addoption("--run-stack", action="store_true", help="run the production stack in containers, and injure it")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests of the production stack, unless they are asked for."""
    return True if collection_path == STACK_TESTS and not config.getoption("--run-stack") else None


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
    started = reload._run

    def run(folder: Path, limit_seconds: float) -> str | None:
        environment = {name: os.environ[name] for name in reload.ENVIRONMENT if name in os.environ}
        process = Forked(reload_model, folder, environment=environment, folder=settings.root())
        process.wait(limit_seconds)
        return started(folder, limit_seconds) if process.returncode else None  # which says what is wrong

    monkeypatch.setattr(reload, "_run", run)


@pytest.fixture(scope="session")
def flight_sources(tmp_path_factory: pytest.TempPathFactory) -> DemoSources:
    """Make the demo's sources of a few weeks of 2013, once for all tests; they are only read."""
    folder = tmp_path_factory.mktemp("flights") / "sources"
    return prepare_sources(folder, date(2014, 1, 1), days=(FLIGHTS_FROM, FLIGHTS_TO))


@pytest.fixture
def flights(flight_sources: DemoSources, monkeypatch: pytest.MonkeyPatch) -> DemoSources:
    """Connect the pipeline of the repository to the slice of flights."""
    for name, value in connections(flight_sources.database.parent).items():
        monkeypatch.setenv(name, value)
    return flight_sources


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the shop's pipeline and database, connect them, and return the pipeline's folder."""
    database = tmp_path / "shop.db"
    factories.write_sales(database, factories.sales())
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(tmp_path / "pipelines"))
    return factories.write_shop(tmp_path / "pipelines")
