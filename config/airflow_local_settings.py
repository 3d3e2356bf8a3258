"""Imports the heavy libraries once, in the process that forks the tasks: LocalExecutor's scheduler or Celery's worker.

Airflow imports this module in each of its processes, and the other processes stay light; docs/explanation/benchmarks.md
has the savings. Nothing is computed here, because threads do not survive the fork of a task. In the production stack
this module also shortens the log lines about an outage of PostgreSQL.
"""

import importlib
import logging
import os
import sys
import warnings

from airflow.configuration import conf

HEAVY = (
    "deltalake",
    "duckdb",
    "great_expectations.expectations",
    "lightgbm",
    "mlflow.sklearn",
    "optuna",
    "pandas",
    "pyarrow.dataset",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.pipeline",
    "skops.io",
    "upath",
)

if os.environ.get("NIGHTSHIFT_SERVICE"):  # docker-compose.yaml sets it to the name of the part
    from include.ops.production.outages import install

    install()

FORKS_TASKS = {"CeleryExecutor": ["celery", "worker"], "LocalExecutor": ["scheduler"]}
COMMAND = FORKS_TASKS.get(conf.get("core", "executor"))

if COMMAND and sys.argv[1 : 1 + len(COMMAND)] == COMMAND:
    import include.validation  # noqa: F401  silences Great Expectations before its import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # skops reads attributes of every loaded module, and Airflow's modules warn
        for name in HEAVY:
            try:
                importlib.import_module(name)
            except ImportError as error:
                logging.getLogger(__name__).warning("%s is not preloaded: %s", name, error)
