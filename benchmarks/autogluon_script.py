"""Runs in AutoGluon's own environment: learns from rows.csv and writes what it predicts of held.csv."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from autogluon.tabular import TabularPredictor


def main(folder: Path, task: str, metric: str, seconds: int, threads: int) -> None:
    """Fit within the seconds; write probabilities of 1, of all classes in order, or values."""
    rows, held = pd.read_csv(folder / "rows.csv"), pd.read_csv(folder / "held.csv")
    if task != "regression":
        rows["label"] = rows["label"].astype(int)
    predictor = TabularPredictor(
        label="label",
        problem_type=task,
        eval_metric={"rmse": "root_mean_squared_error", "mae": "mean_absolute_error"}.get(metric, metric),
        path=str(folder / "models"),
        verbosity=0,
    ).fit(rows, time_limit=seconds, num_cpus=threads, num_gpus=0)
    if task == "regression":
        found = predictor.predict(held).to_frame()
    else:
        found = predictor.predict_proba(held)
        found = found[[1]] if task == "binary" else found[sorted(found.columns)]
    found.to_csv(folder / "predictions.csv", index=False)
    (folder / "model.txt").write_text(f"{predictor.model_best}, of AutoGluon {version('autogluon.tabular')}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
