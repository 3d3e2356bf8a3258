"""What a trial is charged for: the seconds in which it works, and not those in which it waits."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Drawing parameters and keeping what came of them takes less; a database that does not answer takes more.
MAX_OVERHEAD_SECONDS = 1.0


class WorkClock:
    """Counts the seconds that a trial fits models, and what it does besides up to `MAX_OVERHEAD_SECONDS`."""

    def __init__(self) -> None:
        self._begun, self._fitted = time.monotonic(), 0.0

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Count the block as a whole."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._fitted += time.monotonic() - begun

    @property
    def seconds(self) -> float:
        """The seconds of work so far; not within `fitting`."""
        beside = time.monotonic() - self._begun - self._fitted
        return self._fitted + min(beside, MAX_OVERHEAD_SECONDS)
