"""What integration tests share: servers, and a home after the first night."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

import pytest

from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.workflows.retrain.run import run
from tests import factories
from tests.integration.killed_run import AS_OF, RUN_KEY
from tests.services import postgres as service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.config.pipeline import Pipeline

pytest.register_assert_rewrite("tests.integration.tuning_results")

#: Each of these starts the whole embedded stack.
STACKS = ("test_approval.py", "test_backfill.py", "test_demo.py", "test_embedded_stack.py")


@pytest.fixture(scope="session")
def postgres() -> Iterator[service.Postgres]:
    """Run a PostgreSQL server for all tests; each makes the tables that it reads."""
    reason = service.missing()
    if reason:
        pytest.skip(reason)
    with service.serve() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def one_stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no two stacks start at once where several processes test: they would choose the same ports."""
    if request.path.name not in STACKS:
        yield
        return
    with (tmp_path_factory.getbasetemp().parent / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the shop's first night once a file; each test takes a copy of the home that it left."""
    folder = tmp_path_factory.mktemp("night")
    with factories.shop_in(folder) as home:
        result = run(load_pipeline("shop"), RUN_KEY, AS_OF, EnvironmentConnections())
    assert result["verdict"] == "promote"
    return home


@pytest.fixture
def after_night(night: Path, shop: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Continue from the first night's home."""
    factories.continue_from(night, home, monkeypatch)
    return load_pipeline("shop")
