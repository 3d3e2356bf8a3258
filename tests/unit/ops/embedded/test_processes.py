"""The processes of a stack are found by its mark, and only these are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from include.ops.embedded.environment import MARK, StackPaths, stack_environment
from include.ops.embedded.processes import send_signal, stop_marked

if TYPE_CHECKING:
    from pathlib import Path

SLEEP = "import time; print('started', flush=True); time.sleep(600)"

#: What Airflow's API server and its workers do, with a title of about the length of theirs.
TITLED = f"from setproctitle import setproctitle; setproctitle('airflow api_server ' + '-' * 60); {SLEEP}"


def start(code: str = SLEEP, **environment: str) -> subprocess.Popen[bytes]:
    """Start a process that sleeps, in a session of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=False,
    )
    assert process.stdout
    process.stdout.readline()
    return process


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows the environment of processes")
def test_only_the_processes_of_the_stack_are_stopped(tmp_path: Path) -> None:
    """A process of another stack on this machine goes on."""
    ours, other = start(**{MARK: str(tmp_path / "ours")}), start(**{MARK: str(tmp_path / "other")})
    try:
        assert stop_marked(tmp_path / "ours") == 1
        assert ours.wait(120) == -signal.SIGTERM
        assert other.poll() is None
        assert stop_marked(tmp_path / "ours") == 0
    finally:
        other.kill()
        other.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows the environment of processes")
def test_a_process_with_a_title_is_found(home: Path) -> None:
    """A title is written over the environment, so the API server of a killed stack was left running on its port."""
    titled = start(TITLED, **stack_environment(StackPaths(home, 8080, 5000), {}))
    try:
        assert stop_marked(home) == 1
        assert titled.wait(10) == -signal.SIGTERM
    finally:
        titled.kill()
        titled.wait()


def test_a_signal_to_a_process_that_has_ended_is_ignored() -> None:
    """A process can end between the search for it and the signal."""
    process = start()
    process.kill()
    process.wait()

    send_signal(process.pid, signal.SIGTERM)
