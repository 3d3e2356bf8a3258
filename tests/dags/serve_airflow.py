"""Serves processes that have Airflow: run as a program, it forks one for each line of JSON on its standard input.

Airflow reads its settings once in a process, and to import it with the libraries of the tasks takes seconds, which
this program spends once. A line names the `module` beside this file whose `main` is called with `arguments` in the
`environment`, and the file for what is `printed`. Each process finds a new copy of Airflow's database. The answer is a
line with the process's exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

#: The modules of ours that a process may run, and what Airflow's `dag.test()` imports in its functions.
AIRFLOW = (
    "tests.dags.run_dags",
    "airflow.models.dagrun",
    "airflow.api_fastapi.execution_api.app",
    "airflow.api_fastapi.execution_api.routes",
)


def child(module: str, arguments: list[Any], environment: dict[str, str], printed: str) -> None:
    """Call a module's `main` in this forked process, and end it."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        with Path(printed).open("wb") as output:
            for stream in (sys.stdout, sys.stderr):
                os.dup2(output.fileno(), stream.fileno())
        importlib.import_module(f"tests.dags.{module}").main(*arguments)
        code = 0
    except BaseException:  # noqa: BLE001  this process ends here, whatever it was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(migrated: Path) -> None:
    """Answer the lines of standard input until it ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # where Airflow may log
    # Airflow comes last: skops asks every loaded module for names, and Airflow's warn of each
    for module in ("tests.preloaded", *AIRFLOW):
        importlib.import_module(module)
    home = Path(os.environ["AIRFLOW_HOME"])
    for line in sys.stdin:
        asked = json.loads(line)
        for old in home.glob("airflow.db*"):
            old.unlink()
        shutil.copy(migrated / "airflow.db", home)
        process = os.fork()
        if process == 0:
            child(**asked)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), file=answers, flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
