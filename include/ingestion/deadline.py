"""Limits the time of a call, whatever the call hangs in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

T = TypeVar("T")


def within(deadline: timedelta, work: Callable[[], T], overdue: Exception) -> T:
    """Return the result of `work`, or raise `overdue` if `work` has not ended by the deadline.

    The work runs in a thread of its own, because no signal ends a call that waits inside a driver or the system, such
    as a read from a lost file server. A thread that hangs stays behind until its process ends.
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
