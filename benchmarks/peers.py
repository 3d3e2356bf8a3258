"""Nightshift, FLAML and AutoGluon on the same rows for the same seconds; each in a process of its own.

`python -m benchmarks.peers SYSTEM TABLE SECONDS` prints a line of JSON. AutoGluon does not share our
requirements: its Python is named in BENCH_AUTOGLUON_PYTHON, and is left out where that is not set.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.datasets import Task, load_task
from include.core import settings
from include.evaluation.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

AUTOGLUON = "BENCH_AUTOGLUON_PYTHON"


def run(system: str, name: str, seconds: int) -> dict[str, Any]:
    """Let one system learn from a table; return its metric on the held-out rows and what it took."""
    from include.training.folds import Folds

    task = load_task(name, seconds)
    training = task.pipeline.training
    folds = Folds(task.pipeline, task.frame, task.split, Metric.of(training), settings.threads())
    start = time.perf_counter()
    predictions, told = {"nightshift": _nightshift, "flaml": _flaml, "autogluon": _autogluon}[system](
        task, folds, seconds
    )
    took = time.perf_counter() - start
    y = _labels(task, folds)[task.split.holdout]
    return {"system": system, "table": name, "budget": seconds, "took": took} | {
        "metric": training.metric,
        "higher_is_better": Metric.of(training).higher_is_better,
        "value": folds.measure.value(y, predictions),
        "model": told,
        "rows": len(task.split.train),
        "held_rows": len(task.split.holdout),
    }


def _labels(task: Task, folds: Any) -> np.ndarray:
    from include.training.target import encode_target

    return encode_target(task.pipeline.training, task.frame[task.pipeline.features.label], folds.classes)


def _nightshift(task: Task, folds: Any, seconds: int) -> tuple[np.ndarray, str]:
    from include.training.challenger import TunedCandidate, choose_challenger, fit_challenger
    from include.training.combine import weighted_mean
    from include.training.fit import predict
    from include.training.tune import Search

    kept: dict[tuple[str, int], np.ndarray] = {}
    with TemporaryDirectory(prefix="bench-search-") as scratch:
        search = Search(task.pipeline, Path(scratch) / "trials.journal", task.name)
        search.run(folds, seconds, 0, lambda family, trial, found: kept.update({(family, trial): found}))
        results = [result for result in search.results().values() if result.trial is not None]
    tuned = [
        TunedCandidate(
            family=each.family,
            params=each.params or {},
            fold_rounds=each.fold_rounds,
            score=each.score or 0.0,
            predictions=kept[each.family, each.trial or 0],
        )
        for each in results
    ]
    chosen = choose_challenger(task.pipeline, folds, tuned)
    validated = weighted_mean({each.family: each.predictions for each in tuned}, chosen.weights)
    rows = task.frame.iloc[task.split.train]
    model = fit_challenger(task.pipeline, rows, chosen, folds.y[folds.validated], validated, settings.threads())
    trials = sum(len(each.trials) for each in results)
    holdout = task.frame.iloc[task.split.holdout]
    told = f"{chosen.family}, {trials} trials, calibration {chosen.calibration}"
    return predict(model, holdout, task.pipeline.training, folds.classes), told


class _SameFolds:
    """Our folds as FLAML takes them: a splitter, of the rows that it is given."""

    def __init__(self, folds: Any) -> None:
        self.folds = folds

    def split(self, *_: object, **__: object) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for fold in self.folds.folds:
            yield fold.fit, fold.validate

    def get_n_splits(self, *_: object, **__: object) -> int:
        return len(self.folds.folds)


def _flaml(task: Task, folds: Any, seconds: int) -> tuple[np.ndarray, str]:
    from flaml import AutoML

    training = task.pipeline.training
    names = folds.columns.all
    metric = {"average_precision": "ap", "brier": "brier"}.get(training.metric, training.metric)
    rows, held = task.frame.iloc[task.split.train][names], task.frame.iloc[task.split.holdout][names]
    for column in folds.columns.categorical:
        rows, held = (each.assign(**{column: each[column].astype("category")}) for each in (rows, held))
    automl = AutoML()
    # its CatBoost leaves files where it runs
    with TemporaryDirectory(prefix="bench-flaml-") as scratch, contextlib.chdir(scratch):
        automl.fit(
            X_train=rows,
            y_train=folds.y.astype("int64") if training.classifies else folds.y,
            task="classification" if training.classifies else "regression",
            metric=metric,
            time_budget=seconds,
            eval_method="cv",
            split_type=_SameFolds(folds),
            n_jobs=settings.threads(),
            seed=training.seed,
            verbose=0,
            # all that it tries by default but CatBoost, which does not keep to the seconds
            estimator_list=["lgbm", "rf", "xgboost", "extra_tree", "xgb_limitdepth", "sgd"]
            + (["lrl1"] if training.classifies else []),
        )
    told = f"{automl.best_estimator}, {len(automl.config_history)} improvements"
    if not training.classifies:
        return automl.predict(held), told
    found = automl.predict_proba(held)
    return (found[:, 1] if training.task == "binary" else found), told


def _autogluon(task: Task, folds: Any, seconds: int) -> tuple[np.ndarray, str]:
    """Let AutoGluon, in an environment of its own, split the rows to learn from as it likes."""
    import pandas as pd

    training = task.pipeline.training
    names = folds.columns.all
    with TemporaryDirectory(prefix="bench-autogluon-") as scratch:
        folder = Path(scratch)
        rows = task.frame.iloc[task.split.train][names]
        rows.assign(label=folds.y).to_csv(folder / "rows.csv", index=False)
        task.frame.iloc[task.split.holdout][names].to_csv(folder / "held.csv", index=False)
        script = Path(__file__).with_name("autogluon_script.py")
        arguments = [str(folder), training.task, training.metric, str(seconds), str(settings.threads())]
        subprocess.run([os.environ[AUTOGLUON], str(script), *arguments], check=True, capture_output=True)  # noqa: S603
        found = pd.read_csv(folder / "predictions.csv").to_numpy()
        told = (folder / "model.txt").read_text()
    return (found[:, 0] if training.task != "multiclass" else found), told


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
