"""The tables that models are compared on: the flights, and what scikit-learn ships."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.features import AS_OF
from benchmarks.measure import ingest_year, the_pipeline
from include.config.pipeline import Pipeline
from include.workflows.retrain.split import split_rows

if TYPE_CHECKING:
    import pandas as pd

    from include.training.split import Split

#: By name: scikit-learn's loader, the task and the metric.
SHIPPED = {
    "breast_cancer": ("load_breast_cancer", "binary", "roc_auc"),
    "wine": ("load_wine", "multiclass", "log_loss"),
    "iris": ("load_iris", "multiclass", "log_loss"),
    "digits": ("load_digits", "multiclass", "log_loss"),
    "diabetes": ("load_diabetes", "regression", "rmse"),
}
NAMES = ["flights", *SHIPPED]
DAYS, FIRST = 100, date(2024, 1, 1)


class Task(NamedTuple):
    """A table to learn from, with what is asked of it."""

    name: str
    pipeline: Pipeline
    frame: pd.DataFrame
    split: Split


def load_task(name: str, seconds: int) -> Task:
    """Return a table by its name; the flights must have been ingested for it (`prepare_flights`)."""
    return _flights(seconds) if name == "flights" else _shipped(name, seconds)


def prepare_flights() -> None:
    """Ingest the flights into the home folder that is in use."""
    ingest_year(the_pipeline())


def _flights(seconds: int) -> Task:
    from include.features.build import build_features
    from include.features.feature_table import read_features
    from include.features.snapshot import pin_snapshot

    pipeline = the_pipeline()
    training = pipeline.training
    tuning = training.tuning.model_copy(update={"seconds": seconds})
    pipeline = pipeline.model_copy(update={"training": training.model_copy(update={"tuning": tuning})})
    pipeline._folder = the_pipeline().folder
    frame = read_features(build_features(pipeline, pin_snapshot(pipeline), AS_OF))
    return Task("flights", pipeline, frame, split_rows(pipeline, frame, AS_OF))


def _shipped(name: str, seconds: int) -> Task:
    """Return one of scikit-learn's tables, its rows in a seeded order that stands for time."""
    import numpy as np
    import pandas as pd
    from sklearn import datasets

    loader, task, metric = SHIPPED[name]
    table = getattr(datasets, loader)(as_frame=True)
    frame = table.data.sample(frac=1, random_state=0)
    frame["label"] = table.target.loc[frame.index].astype("float64")
    frame = frame.reset_index(drop=True)
    day = np.arange(len(frame)) * DAYS // len(frame)
    frame["prediction_time"] = pd.Timestamp(FIRST) + pd.to_timedelta(day, unit="D")
    frame["row"] = np.arange(len(frame)).astype(str)
    pipeline = _pipeline(task, metric, seconds)
    return Task(name, pipeline, frame, split_rows(pipeline, frame, FIRST + timedelta(days=DAYS - 1)))


def _pipeline(task: str, metric: str, seconds: int) -> Pipeline:
    fields: dict[str, Any] = {
        "description": "Which model is best?",
        "owner": "benchmark",
        "history_days": DAYS,
        "sources": {
            "rows": {
                "kind": "files",
                "connection": "none",
                "path": "{ds}.csv",
                "key": ["row"],
                "available_at": "at",
                "columns": {"row": "string", "at": "timestamp"},
            }
        },
        "features": {"key": ["row"], "label": "label"},
        "training": {
            "task": task,
            "metric": metric,
            "window_days": DAYS,
            "holdout_days": 25,
            "gap_days": 0,
            "tuning": {"seconds": seconds, "folds": 5},
            "seed": 1,
        },
        "gate": {"minimum": 0},
    }
    pipeline = Pipeline.model_validate(fields)
    pipeline._folder = Path("benchmark")
    return pipeline
