"""Imports the heavy libraries once, in the process from which tasks are forked, so that they have them.

That is the scheduler with the LocalExecutor, and Celery's worker.

Airflow imports this module in each of its processes; the others stay light. A table of what it saves is
in docs/explanation/benchmarks.md. Nothing is computed here: threads would not live on in a forked task. The parts of
the production stack log an outage of PostgreSQL in short.
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

if os.environ.get("NIGHTSHIFT_SERVICE"):  # docker-compose.yaml names each part by it
    from include.ops.production.outages import install

    install()

FORKS_TASKS = {"CeleryExecutor": ["celery", "worker"], "LocalExecutor": ["scheduler"]}
COMMAND = FORKS_TASKS.get(conf.get("core", "executor"))

if COMMAND and sys.argv[1 : 1 + len(COMMAND)] == COMMAND:
    import include.validation  # noqa: F401  quietens Great Expectations before it is imported

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # skops asks every loaded module for names, and Airflow's warn of each
        for name in HEAVY:
            try:
                importlib.import_module(name)
            except ImportError as error:
                logging.getLogger(__name__).warning("%s is not preloaded: %s", name, error)
