"""How long Airflow takes to read the DAG files, beyond importing Airflow itself."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from include.core import settings

_SCRIPT = """
import logging, sys, time
import airflow.providers.standard.operators.empty, airflow.sdk, airflow.sdk.exceptions
from airflow.dag_processing.dagbag import DagBag
logging.disable()
start = time.perf_counter()
bag = DagBag(sys.argv[1])
took = time.perf_counter() - start
assert bag.dags and not bag.import_errors, bag.import_errors
print(len(bag.dags), took)
"""


def parse_seconds(rounds: int = 5) -> tuple[int, float]:
    """Return how many DAGs there are, and the median seconds to parse their files in a fresh process."""
    root = settings.root()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "config")]),
        "AIRFLOW_HOME": str(settings.home() / "airflow-parse"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(root / "plugins"),
    }
    taken = []
    for _ in range(rounds):
        command = [sys.executable, "-c", _SCRIPT, str(root / "dags")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
        dags, seconds = done.stdout.split()[-2:]
        taken.append(float(seconds))
    return int(dags), statistics.median(taken)
