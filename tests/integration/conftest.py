"""The servers that integration tests share."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

import pytest

from tests.services import postgres as service

if TYPE_CHECKING:
    from collections.abc import Iterator

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
