"""What integration tests share: servers, and a home after a completed run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.workflows.retrain.run import run
from tests import factories
from tests.integration.killed_run import AS_OF, RUN_KEY, TUNING_SECONDS
from tests.services import postgres as service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.config.pipeline import Pipeline

pytest.register_assert_rewrite("tests.integration.tuning_results")


@pytest.fixture(scope="session")
def postgres() -> Iterator[service.Postgres]:
    """Run a PostgreSQL server for all tests; each makes the tables that it reads."""
    reason = service.missing()
    if reason:
        pytest.skip(reason)
    with service.serve() as server:
        yield server


@pytest.fixture(scope="session")
def completed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the shop once, from nothing to its first champion; each test takes a copy of the home that it left."""
    folder = tmp_path_factory.mktemp("completed_run")
    with factories.shop_in(folder) as home:
        result = run(load_pipeline("shop"), RUN_KEY, AS_OF, EnvironmentConnections(), TUNING_SECONDS)
    assert result.verdict == "promote", result.reason
    return home


@pytest.fixture
def ingested(completed_run: Path, shop: Path, home: Path) -> Path:
    """Copy the shop's published days from the completed run, so that a run begins with its features."""
    shutil.copytree(completed_run / "lake" / "shop" / "raw", home / "lake" / "shop" / "raw")
    return shop


@pytest.fixture
def retrained(completed_run: Path, shop: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Continue from the home of the completed run."""
    factories.continue_from(completed_run, home, monkeypatch)
    return load_pipeline("shop")
