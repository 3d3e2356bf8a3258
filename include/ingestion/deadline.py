"""Lets work take only so long, whatever it hangs in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

T = TypeVar("T")


def within(deadline: timedelta, work: Callable[[], T], overdue: Exception) -> T:
    """Return what `work` returns, or raise `overdue` when it has not ended after the deadline.

    The work runs in a thread of its own, because no signal ends a call that waits inside of a driver or
    of the system, such as a read from a file server that is gone. A thread that hangs is left behind; it
    ends with its process.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  raised again below, in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=run, name="deadline", daemon=True)
    thread.start()
    thread.join(deadline.total_seconds())
    if failures:
        raise failures[0]
    if thread.is_alive():
        raise overdue
    return results[0]
