"""Refuses feature tables and candidates that cannot be trained, before any time is spent on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from include.core.errors import ConfigError, TrainingImpossible
from include.evaluation.metrics import Metric, why_undefined
from include.training.columns import feature_columns, groups_of
from include.training.split import time_ordered_folds
from include.training.target import checked_target, class_list, encode_target

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.training.split import Split

#: Minimum number of training rows; fewer cannot be split into meaningful folds.
MIN_TRAIN_ROWS = 100


def check_candidates(pipeline: Pipeline) -> None:
    """Refuse candidates that cannot be built.

    Raises
    ------
    ConfigError
        If an extra is not installed, or a team's own estimator cannot be imported, does not take a parameter, does
        not suit the task, or cannot be written to a model file.
    """
    from include.training.candidates import candidates_of
    from include.training.own_model import check_unfitted

    try:
        candidates_of(pipeline.training)
    except ConfigError as error:
        raise ConfigError(f"{pipeline.name}: {error}") from error
    check_unfitted(pipeline)


def check_trainable(pipeline: Pipeline, frame: pd.DataFrame, split: Split) -> None:
    """Refuse a feature table or candidates with which no model can be trained.

    Raises
    ------
    ConfigError
        If a candidate cannot be built, see `check_candidates`, or its fitted model cannot be written to a model file.
    TrainingImpossible
        If there are too few rows or days, no holdout rows, rows without a group, features without a value or with
        infinite values, or labels that do not fit the task, are constant, or leave the metric undefined.
    """
    from include.training.own_model import check_fitted

    check_candidates(pipeline)
    groups = groups_of(pipeline, frame)
    rows = frame.iloc[split.train]
    _check_rows(pipeline, frame, split)
    _check_features(pipeline, frame, rows)
    y = checked_target(pipeline, frame, rows)
    checked_target(pipeline, frame, frame.iloc[[*split.holdout, *split.train]])
    _check_folds(pipeline, rows, y, None if groups is None else groups[split.train])
    _check_metric(pipeline, frame, split, None if groups is None else groups[split.train])
    check_fitted(pipeline, rows)


def _check_rows(pipeline: Pipeline, frame: pd.DataFrame, split: Split) -> None:
    import numpy as np

    training, label = pipeline.training, pipeline.features.label
    where = f"{pipeline.name}: the feature table"
    if len(frame) and frame[label].isna().all():
        raise TrainingImpossible(
            f"{where} has the label '{label}' null in all {len(frame):,} rows; check its rule in "
            f"{pipeline.features.query}, and that the labels' source is published"
        )
    if len(split.train) < MIN_TRAIN_ROWS:
        groups = f" whose {training.group} is not in the holdout" if training.group else ""
        raise TrainingImpossible(
            f"{where} has {len(split.train):,} labelled rows from {split.train_start} to {split.train_end}{groups}, "
            f"and training needs at least {MIN_TRAIN_ROWS}; ingest more history, or lower training.holdout_days"
        )
    if not len(split.holdout):
        raise TrainingImpossible(
            f"{where} has no labelled row in the holdout, {split.holdout_start} to {split.holdout_end}; check that "
            "the labels' source is published for these days, or raise training.gap_days"
        )
    times = frame["prediction_time"].to_numpy()[split.train].astype("datetime64[D]")
    days, needed = len(np.unique(times)), training.tuning.folds + training.gap_days + 1
    if days < needed:
        raise TrainingImpossible(
            f"{where} has {days} days of training rows, and {training.tuning.folds} folds with a gap of "
            f"{training.gap_days} need at least {needed}; ingest more history, or lower training.tuning.folds"
        )


def _check_features(pipeline: Pipeline, frame: pd.DataFrame, rows: pd.DataFrame) -> None:
    import numpy as np

    from include.features.automated import automated_names

    where, query = f"{pipeline.name}: the feature table", pipeline.features.query
    columns = feature_columns(pipeline, frame)
    if not columns.all:
        raise TrainingImpossible(
            f"{where} has no feature column left; shorten features.exclude, or select more columns in {query}"
        )
    automated = set(automated_names(pipeline))  # nobody wrote these, and an empty one does no harm
    empty = [name for name in columns.all if name not in automated and rows[name].isna().all()]
    if empty:
        raise TrainingImpossible(
            f"{where} has no value of {_quote_all(empty)} in any of the {len(rows):,} training rows; correct "
            f"{query}, or name it in features.exclude"
        )
    for name in columns.numeric:
        values = frame[name].to_numpy(dtype="float64", na_value=np.nan)
        infinite = int(np.isinf(values).sum())
        if infinite:
            raise TrainingImpossible(
                f"{where} has '{name}' infinite in {infinite:,} of {len(frame):,} rows; divide by nullif(..., 0) in "
                f"{query}, or name it in features.exclude"
            )
    for name in columns.categorical:
        known = rows[name].notna()
        if known.sum() >= MIN_TRAIN_ROWS and rows[name].nunique() == known.sum():
            raise TrainingImpossible(
                f"{where} has a different value of '{name}' in each of {known.sum():,} training rows, so it "
                "identifies a row and says nothing about other rows; name it in features.exclude"
            )


def _check_folds(pipeline: Pipeline, rows: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None) -> None:
    """Refuse folds on which no model can be fitted or scored."""
    import numpy as np

    training = pipeline.training
    times = rows["prediction_time"].to_numpy()
    classes = len(np.unique(y)) if training.classifies else 0
    to_fit = min(classes, 2)  # a class that only comes up later is predicted with 0
    to_score = classes if Metric.of(training).definition.needs_every_class else min(classes, 1)
    parts = time_ordered_folds(times, training.tuning.folds, training.gap_days, training.holdout_days, groups)
    for number, (fit, validate) in enumerate(parts, start=1):
        where = f"{pipeline.name}: fold {number} of {training.tuning.folds}"
        if not len(fit):
            raise TrainingImpossible(
                f"{where} has no row to fit on, since every {training.group} appears again in the validation days; "
                "lower training.holdout_days or training.tuning.folds, or choose another training.group"
            )
        for what, part, needed in (("fit on", fit, to_fit), ("validate on", validate, to_score)):
            found = rows[pipeline.features.label].iloc[part].value_counts()
            if len(found) < needed:
                start, end = (str(day.astype("datetime64[D]")) for day in (times[part].min(), times[part].max()))
                shown = ", ".join(f"{count:,} of {value!r}" for value, count in found.head(5).items())
                raise TrainingImpossible(
                    f"{where} has {len(found)} of the {classes} classes among its {len(part):,} rows to {what}, from "
                    f"{start} to {end} ({shown}), and needs {needed}; lower training.tuning.folds, or raise "
                    "training.window_days or training.holdout_days"
                )


def _check_metric(pipeline: Pipeline, frame: pd.DataFrame, split: Split, groups: np.ndarray | None) -> None:
    """Refuse labels of a fold or of the holdout for which the metric of a perfect prediction is undefined."""
    import numpy as np

    training, label = pipeline.training, pipeline.features.label
    classes = class_list(frame[label]) if training.task == "multiclass" else None
    y, times = encode_target(training, frame[label], classes), frame["prediction_time"].to_numpy()
    parts = time_ordered_folds(
        times[split.train], training.tuning.folds, training.gap_days, training.holdout_days, groups
    )
    folds = training.tuning.folds
    judged = {f"fold {number} of {folds}": split.train[each] for number, (_, each) in enumerate(parts, start=1)}
    for where, part in (judged | {"the holdout": split.holdout}).items():
        perfect = y[part] if classes is None else np.eye(len(classes))[y[part].astype("int64")]
        if math.isfinite(Metric.of(training).value(y[part], perfect)):
            continue
        start, end = (str(day.astype("datetime64[D]")) for day in (times[part].min(), times[part].max()))
        found = frame[label].iloc[part].value_counts()
        shown = "the labels are " + ", ".join(f"{count:,} of {value!r}" for value, count in found.head(5).items())
        cure = "choose another training.metric, lower training.tuning.folds, or raise training.holdout_days"
        if training.metric == "mape":
            shown = f"{(y[part] == 0).sum():,} of {len(part):,} are 0"
            cure = (
                f"set training.metric to wape or mae, or leave out rows whose label is 0 in {pipeline.features.query}"
            )
        raise TrainingImpossible(
            f"{pipeline.name}: {training.metric} is undefined on the labels of {where}, {start} to {end}, for any "
            f"model: {why_undefined(training.metric) or 'see the labels'}; {shown}; {cure}"
        )


def _quote_all(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
