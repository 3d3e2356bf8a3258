"""The processes of a stack, found by the stack's mark in their environment."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from include.ops.embedded.environment import MARK

#: Seconds in which a process may end by itself.
STOP_SECONDS = 15


def stop_marked(home: Path) -> int:
    """Stop every process with the stack's mark in its environment; return their number.

    This also finds processes that a killed stack left, and tasks in sessions of their own.
    """
    found = _marked(home)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for pid in _marked(home):
            send_signal(pid, sent)
        deadline = time.monotonic() + STOP_SECONDS
        while _marked(home) and time.monotonic() < deadline:
            time.sleep(0.1)
    return len(found)


def send_signal(pid: int, sent: signal.Signals) -> None:
    """Signal a process, or a process group by its negative id; ignore one that has ended."""
    try:
        if pid < 0:
            os.killpg(-pid, sent)
        else:
            os.kill(pid, sent)
    except ProcessLookupError:
        pass


def _marked(home: Path) -> list[int]:
    """Return the process ids with the mark; needs a system with /proc."""
    mark, own = f"{MARK}={home}".encode(), os.getpid()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            running = entry.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z"
            if running and mark in entry.joinpath("environ").read_bytes().split(b"\0") and int(entry.name) != own:
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended, or belongs to another user
    return found
