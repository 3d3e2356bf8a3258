"""Imports the heavy libraries once, in the scheduler, whose tasks are forked from it and so have them.

Airflow imports this module in each of its processes; the others stay light. A table of what it saves is
in docs/benchmarks.md. Nothing is computed here: threads would not live on in a forked task.
"""

import importlib
import logging
import sys
import warnings

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

if sys.argv[1:2] == ["scheduler"]:
    import include.validation  # noqa: F401  quietens Great Expectations before it is imported

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # skops asks every loaded module for names, and Airflow's warn of each
        for name in HEAVY:
            try:
                importlib.import_module(name)
            except ImportError as error:
                logging.getLogger(__name__).warning("%s is not preloaded: %s", name, error)
