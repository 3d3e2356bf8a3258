"""One stack for all tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stack.stack import SERVICES, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start the stack from nothing, wait until every part is well, and remove it afterwards."""
    with Stack(tmp_path_factory.mktemp("stack")).running() as running:
        running.wait_well(*SERVICES)
        yield running
