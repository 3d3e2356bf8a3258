"""What an embedded stack does where it cannot start, or where an earlier one was killed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.core import settings
from include.core.errors import EmbeddedStackError
from include.ops.embedded.processes import stop_marked
from include.ops.embedded.stack import running_stack
from tests.integration.embedded.running import own_ports, wait_for


def test_what_a_killed_stack_left_is_stopped_by_the_next(home: Path) -> None:
    """A process that bears the mark of this home is found and ended; one of another home is left alone."""
    marked = [sys.executable, "-c", "import time; time.sleep(600)"]
    ours = subprocess.Popen(marked, env=os.environ | {"NIGHTSHIFT_STACK": str(home)}, start_new_session=True)
    theirs = subprocess.Popen(marked, env=os.environ | {"NIGHTSHIFT_STACK": f"{home}-2"}, start_new_session=True)
    try:
        wait_for("their environment", lambda: b"NIGHTSHIFT_STACK" in Path(f"/proc/{ours.pid}/environ").read_bytes())

        assert stop_marked(home) == 1

        assert ours.wait(120) != 0
        assert theirs.poll() is None
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()


def test_a_part_that_cannot_start_is_told_with_its_log(
    home: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that Airflow refuses ends the start with the part's name, its log and the log's last lines."""
    shutil.copytree(migrated, home / "airflow")
    for name, value in (own_ports() | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "NO_SUCH_LEVEL"}).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(EmbeddedStackError) as raised, running_stack(home, {}, lambda _: None):
        pass

    assert re.search(r"ended with status \d+; its log is .*\.log", str(raised.value))
    assert stop_marked(home) == 0


def test_the_settings_file_has_no_secret() -> None:
    """What is committed of the stack's settings holds no key and no password."""
    text = (settings.root() / "config" / "embedded.env").read_text()

    assert not re.search(r"(?i)(secret|password|fernet|token)\w*=\S", text)
