"""Charges a trial for the seconds in which it works, not for those in which it waits."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Drawing parameters and storing the result takes less; a database that does not answer takes more.
MAX_OVERHEAD_SECONDS = 1.0


class WorkClock:
    """Counts the seconds in which a trial fits models, plus at most `MAX_OVERHEAD_SECONDS` of everything else."""

    def __init__(self) -> None:
        self._begun, self._fitted = time.monotonic(), 0.0

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Count the whole block as work."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._fitted += time.monotonic() - begun

    @property
    def seconds(self) -> float:
        """Seconds of work so far; do not read it within `fitting`."""
        overhead = time.monotonic() - self._begun - self._fitted
        return self._fitted + min(overhead, MAX_OVERHEAD_SECONDS)
