"""Ingests the shop's days in forked processes, each of which is killed at a given place.

A line of JSON on standard input names the environment of a child, what it ingests and where it dies: at the
`number`-th call of the function `at`, or by a signal `after` so many seconds or once a file is `seen` that was
not there. The answer is a line with the child's exit code, negative for a signal. Forking spares each child
the imports.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.workflows.retrain.run import ingest

#: Imported within functions, which each child would do again.
HEAVY = (
    "deltalake",
    "duckdb",
    "great_expectations.expectations",
    "great_expectations.render.view.view",
    "numpy",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.special",
    "sqlalchemy.dialects.sqlite",
    "upath",
)

RUN = "the-night"

ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT


def die_at(path: str, when: str, number: int) -> None:
    """Replace a function by one that ends the process at its `number`-th call, before or after it, or amid.

    `amid` is for a generator: the process ends when its second part is asked for.
    """
    owner_path, _, name = path.rpartition(".")
    owner = importlib.import_module(owner_path)
    original = getattr(owner, name)
    calls = 0

    @functools.wraps(original)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != number:
            return original(*args, **kwargs)
        if when == "before":
            os._exit(137)
        result = original(*args, **kwargs)
        if when == "amid":
            return _cut(result)
        os._exit(137)

    setattr(owner, name, deadly)


def _cut(parts: Any) -> Any:
    yield next(iter(parts))
    os._exit(137)


def night(start: str, end: str) -> None:
    """Ingest a range of the shop's days."""
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    ingest(load_pipeline("shop"), first, last, EnvironmentConnections(), run_key=RUN)


def _found(asked: dict[str, Any]) -> set[Path]:
    """Return the files that the pattern `seen`, below the home, matches now."""
    return set(Path(asked["environment"]["NIGHTSHIFT_HOME"]).glob(asked["seen"])) if "seen" in asked else set()


def _serve() -> None:
    for name in HEAVY:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        there = _found(asked)
        child = os.fork()
        if child == 0:
            os.environ |= asked["environment"]
            if "at" in asked:
                die_at(asked["at"], asked["when"], asked["number"])
            code = 1
            try:
                night(*asked["days"])
                code = 0
            finally:
                os._exit(code)
        if "after" in asked:
            time.sleep(asked["after"])
        if "seen" in asked:
            while _found(asked) <= there and not os.waitid(os.P_PID, child, ENDED):
                pass
        if asked.keys() & {"after", "seen"}:
            os.kill(child, signal.SIGKILL)  # one that has ended is still there to be waited for
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()
