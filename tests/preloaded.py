"""What the fork server of `tests.forked` imports once for all its processes.

Nothing is computed here: threads would not live on in a forked process.
"""

# ruff: noqa: F401  imported for those who are forked

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would start a thread
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import deltalake
import duckdb
import git
import great_expectations.expectations
import great_expectations.render.view.view
import lightgbm
import mlflow.sklearn
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store
import optuna
import pandas as pd
import pyarrow.dataset as ds
import sklearn.compose
import sklearn.ensemble
import sklearn.impute
import sklearn.linear_model
import sklearn.metrics
import sklearn.pipeline
import skops.io
import sqlalchemy.dialects.sqlite
import sqlglot.generators.duckdb
import upath

import include.cli
import include.validation
import include.workflows.retrain.run
import include.workflows.retrain.steps
