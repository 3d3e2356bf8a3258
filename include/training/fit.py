"""Fits the challenger, and predicts with any model that was fitted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include import settings
from include.errors import EvaluationFailed, TrainingImpossible
from include.training.candidates import CANDIDATES
from include.training.columns import feature_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config import Pipeline
    from include.training.split import Split
    from include.training_config import Task

#: Fewer rows than this cannot be split into folds that say anything.
MIN_TRAIN_ROWS = 100


def check_trainable(pipeline: Pipeline, frame: pd.DataFrame, split: Split) -> None:
    """Refuse a feature table that nothing can be learned from.

    Raises
    ------
    TrainingImpossible
        If there are too few rows or days, no held-out rows, no feature with a value, or labels that do
        not fit the task.
    """
    import numpy as np

    training, label = pipeline.training, pipeline.features.label
    where = f"{pipeline.name}: the feature table"
    if len(split.train) < MIN_TRAIN_ROWS:
        raise TrainingImpossible(
            f"{where} has {len(split.train):,} labelled rows of {split.train_start} to {split.train_end}, and at "
            f"least {MIN_TRAIN_ROWS} are needed to learn from; ingest more history, or lower training.holdout_days"
        )
    if not len(split.holdout):
        raise TrainingImpossible(
            f"{where} has no labelled row of the holdout, {split.holdout_start} to {split.holdout_end}; check that "
            "the labels' source is published for these days, or raise training.gap_days"
        )
    times = frame["prediction_time"].to_numpy()[split.train].astype("datetime64[D]")
    days, needed = len(np.unique(times)), training.tuning.folds + training.gap_days + 1
    if days < needed:
        raise TrainingImpossible(
            f"{where} has {days} days to learn from, and {training.tuning.folds} folds with a gap of "
            f"{training.gap_days} need at least {needed}; ingest more history, or lower training.tuning.folds"
        )
    if not feature_columns(pipeline, frame).all:
        raise TrainingImpossible(f"{where} has no column left to learn from; see features.exclude")
    y = frame[label].to_numpy(dtype="float64")[split.train]
    if training.task == "binary":
        found = np.unique(y)
        if not np.isin(found, (0, 1)).all():
            shown = ", ".join(f"{value:g}" for value in found[:5])
            raise TrainingImpossible(
                f"{where}: the label '{label}' must be 0 or 1 for the task binary, and holds {shown}; correct "
                f"{pipeline.features.query}, or set training.task to regression"
            )
        if len(found) < 2:
            raise TrainingImpossible(
                f"{where}: the label '{label}' is {found[0]:g} in all {len(y):,} rows to learn from, so there is "
                f"nothing to tell apart; check its rule in {pipeline.features.query}"
            )
    elif not np.isfinite(y).all():
        raise TrainingImpossible(
            f"{where}: the label '{label}' is infinite in {(~np.isfinite(y)).sum():,} rows; make it null or a number "
            f"in {pipeline.features.query}"
        )


def fit_challenger(
    pipeline: Pipeline, frame: pd.DataFrame, split: Split, family: str, params: dict[str, Any], threads: int
) -> Model:
    """Fit one family with its parameters on all rows to learn from."""
    check_trainable(pipeline, frame, split)
    return fit_model(pipeline, frame.iloc[split.train], family, params, threads)


def fit_model(pipeline: Pipeline, rows: pd.DataFrame, family: str, params: dict[str, Any], threads: int) -> Model:
    """Fit one family on labelled rows."""
    from threadpoolctl import threadpool_limits

    training = pipeline.training
    columns = feature_columns(pipeline, rows).known_in(rows)
    model = CANDIDATES[family].build(columns, training.task, params, training.seed, threads)
    y = rows[pipeline.features.label].to_numpy(dtype="int64" if training.task == "binary" else "float64")
    with threadpool_limits(limits=threads):
        return model.fit(rows[columns.all], y)


def predict(model: Model, frame: pd.DataFrame, task: Task) -> np.ndarray:
    """Return the probability of 1 (binary) or the predicted value (regression), of shape (n_rows,).

    Raises
    ------
    EvaluationFailed
        If the frame lacks a column that the model was fitted on.
    """
    import warnings

    from threadpoolctl import threadpool_limits

    names = [name for _, _, columns in model.named_steps["encode"].transformers_ for name in columns]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise EvaluationFailed(
            f"the model was fitted on {', '.join(missing)}, which the feature table no longer has; keep "
            "it in the features query until a model without it has been promoted"
        )
    with warnings.catch_warnings(), threadpool_limits(limits=settings.threads()):
        # LightGBM remembers the encoder's column numbers as names, which its scikit-learn check then misses
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        if task == "binary":
            return model.predict_proba(frame[names])[:, 1].astype("float64")
        return model.predict(frame[names]).astype("float64")
