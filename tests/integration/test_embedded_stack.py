"""The embedded stack for real: started, a night of the shop run in it by its own schedule, and stopped."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include.core import settings
from include.core.errors import EmbeddedStackError
from include.ops.embedded.airflow_client import AirflowClient
from include.ops.embedded.environment import stack_secrets
from include.ops.embedded.processes import stop_marked
from include.ops.embedded.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 240


def wait_for(what: str, asked: Callable[[], Any]) -> Any:
    """Return the first answer that is something; nothing in all that time fails the test."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = asked()
        if answer:
            return answer
        time.sleep(0.3)
    pytest.fail(f"{what} did not come")


def listening_elsewhere() -> set[str]:
    """Return the addresses, other than this machine's own, on which the stack's ports are listened on."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and not local.startswith(("0100007F", "00000000000000000000000001000000")):
                found.add(local)
    return found


def test_a_night_runs_by_itself_and_everything_ends(shop: Path, home: Path) -> None:
    """Ingest leads to retraining without a hand; nothing listens elsewhere, no secret is logged, nothing stays."""
    before = listening_elsewhere()
    told: list[str] = []
    with running_stack(home, {}, told.append) as stack:
        client = AirflowClient.embedded(stack.paths)
        wait_for("the DAGs", lambda: client.has_dag("shop.ingest") and client.has_dag("shop.retrain"))
        client.pause("shop.retrain", False)
        run = client.trigger("shop.ingest", {"start": "2024-01-01", "end": "2024-03-20"})
        client.pause("shop.ingest", False)
        wait_for("the end of the ingest", lambda: client.state("shop.ingest", run) in ("success", "failed"))
        assert client.state("shop.ingest", run) == "success"

        retrained = wait_for("a retraining by the asset", lambda: client.runs("shop.retrain"))[0]
        ended = ("success", "failed")
        wait_for("its end", lambda: client.state("shop.retrain", retrained["dag_run_id"]) in ended)
        summary = client.result("shop.retrain", retrained["dag_run_id"], "summarize_run")

        assert retrained["run_type"] == "asset_triggered"
        assert (summary["verdict"], summary["version"], summary["as_of"]) == ("promote", 1, "2024-03-20")
        assert listening_elsewhere() == before
        with pytest.raises(EmbeddedStackError, match="another stack runs in"), running_stack(home, {}, told.append):
            pass

    assert [part.process.poll() is not None for part in stack.parts] == [True] * len(stack.parts)
    assert stop_marked(home) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", stack.paths.airflow_port)) != 0
    logs = "\n".join(path.read_text(errors="replace") for path in home.rglob("*.log"))
    assert {"api-server.log", "scheduler.log", "mlflow.log"} <= {path.name for path in home.rglob("*.log")}
    assert "VERDICT" in logs  # the tasks' logs are among them
    assert [name for name, secret in stack_secrets(home).items() if secret in logs] == []


def test_what_a_killed_stack_left_is_stopped_by_the_next(home: Path) -> None:
    """A process that bears the mark of this home is found and ended; one of another home is left alone."""
    marked = [sys.executable, "-c", "import time; time.sleep(600)"]
    ours = subprocess.Popen(marked, env=os.environ | {"NIGHTSHIFT_STACK": str(home)}, start_new_session=True)
    theirs = subprocess.Popen(marked, env=os.environ | {"NIGHTSHIFT_STACK": f"{home}-2"}, start_new_session=True)
    try:
        wait_for("their environment", lambda: b"NIGHTSHIFT_STACK" in Path(f"/proc/{ours.pid}/environ").read_bytes())

        assert stop_marked(home) == 1

        assert ours.wait(10) != 0
        assert theirs.poll() is None
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()


def test_a_part_that_cannot_start_is_told_with_its_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that Airflow refuses ends the start with the part's name, its log and the log's last lines."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "NoSuchExecutor")

    with pytest.raises(EmbeddedStackError) as raised, running_stack(home, {}, lambda _: None):
        pass

    assert re.search(r"ended with status \d+; its log is .*\.log", str(raised.value))
    assert stop_marked(home) == 0


def test_the_settings_file_has_no_secret() -> None:
    """What is committed of the stack's settings holds no key and no password."""
    text = (settings.root() / "config" / "embedded.env").read_text()

    assert not re.search(r"(?i)(secret|password|fernet|token)\w*=\S", text)
