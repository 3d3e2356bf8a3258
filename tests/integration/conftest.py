"""The servers that integration tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.services import postgres as service

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgres() -> Iterator[service.Postgres]:
    """Run a PostgreSQL server for all tests; each makes the tables that it reads."""
    reason = service.missing()
    if reason:
        pytest.skip(reason)
    with service.serve() as server:
        yield server
