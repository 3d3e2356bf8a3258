"""The label as numbers: what candidates are fitted on, and what predictions are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core.errors import TrainingImpossible

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.config.training import Training

#: Minimum average number of rows per class; with fewer the label is an identifier or a number, not a class.
MIN_ROWS_PER_CLASS = 10


def class_list(labels: pd.Series) -> list[Any]:
    """Return the distinct known labels of a multiclass target, sorted: all text, or all whole numbers.

    Raises
    ------
    TrainingImpossible
        If a label is neither text nor a whole number, or the labels mix both.
    """
    found = labels.dropna().unique().tolist()
    if all(isinstance(each, str) for each in found):
        return sorted(found)
    odd = [each for each in found if isinstance(each, str) or each != each // 1]
    if odd:
        shown = ", ".join(f"'{each}'" for each in odd[:5])
        raise TrainingImpossible(
            f"the label '{labels.name}' must be text or a whole number in every row for the task multiclass, and some "
            f"are {shown}; cast it in the features query, or set training.task to regression"
        )
    return sorted(int(each) for each in found)


def encode_target(training: Training, labels: pd.Series, classes: Sequence[Any] | None) -> np.ndarray:
    """Return labels as float64 of shape (n_rows,), NaN if a label is unknown or not among the classes.

    The numbers are 0 or 1 (binary), positions in `classes` (multiclass), or the values themselves.
    """
    import numpy as np

    if training.task != "multiclass":
        return labels.to_numpy(dtype="float64", na_value=np.nan)
    assert classes is not None, "encoding a multiclass target needs its classes"
    code = {each: float(number) for number, each in enumerate(classes)}
    return labels.map(code).to_numpy(dtype="float64", na_value=np.nan)


def native_target(training: Training, labels: pd.Series) -> np.ndarray:
    """Return known labels as the final model is fitted on them, of shape (n_rows,).

    The model then has the classes' own names wherever it is loaded.
    """
    import numpy as np

    if not training.classifies:
        return labels.to_numpy(dtype="float64")
    if training.task == "multiclass" and isinstance(labels.iloc[0], str):
        return np.asarray(labels.tolist(), dtype=str)
    return labels.to_numpy(dtype="float64").astype("int64")


def checked_target(pipeline: Pipeline, frame: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Return the encoded labels of the training rows, of shape (n_rows,).

    Raises
    ------
    TrainingImpossible
        If the labels do not fit the task, or are constant.
    """
    if pipeline.training.task == "multiclass":
        return _checked_classes(pipeline, frame, rows)
    return _checked_numbers(pipeline, rows)


def _checked_classes(pipeline: Pipeline, frame: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    import numpy as np

    training, label, query = pipeline.training, pipeline.features.label, pipeline.features.query
    where = f"{pipeline.name}: the feature table: the label '{label}'"
    try:
        classes = class_list(frame[label])
    except TrainingImpossible as error:
        raise TrainingImpossible(f"{pipeline.name}: {error}") from error
    if len(classes) > 2 and len(rows) < MIN_ROWS_PER_CLASS * len(classes):
        raise TrainingImpossible(
            f"{where} has {len(classes):,} classes in {len(rows):,} training rows, and each class needs about "
            f"{MIN_ROWS_PER_CLASS} rows; merge the rare ones in {query}, or set training.task to regression"
        )
    y = encode_target(training, rows[label], classes)
    if len(np.unique(y)) < 2:
        raise TrainingImpossible(
            f"{where} is {classes[int(y[0])]!r} in all {len(y):,} training rows, so there is nothing to distinguish; "
            f"check its rule in {query}"
        )
    return y


def _checked_numbers(pipeline: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    import numpy as np

    training, label, query = pipeline.training, pipeline.features.label, pipeline.features.query
    where = f"{pipeline.name}: the feature table: the label '{label}'"
    try:
        y = encode_target(training, rows[label], None)
    except (TypeError, ValueError) as error:
        other = " or training.task to multiclass" if training.task == "binary" else ""
        raise TrainingImpossible(
            f"{where} must be a number for the task {training.task}, and is {rows[label].iloc[0]!r} in a row; set it "
            f"to a number in {query}{other}"
        ) from error
    infinite = int(np.isinf(y).sum())
    if infinite:
        raise TrainingImpossible(
            f"{where} is infinite in {infinite:,} training rows; make it null or a number in {query}"
        )
    found = np.unique(y)
    if training.task == "binary" and not np.isin(found, (0, 1)).all():
        shown = ", ".join(f"{value:g}" for value in found[:5])
        raise TrainingImpossible(
            f"{where} must be 0 or 1 for the task binary, and has the values {shown}; correct {query}, or set "
            "training.task to regression"
        )
    if len(found) < 2:
        nothing = "nothing to distinguish" if training.task == "binary" else "nothing to predict"
        raise TrainingImpossible(
            f"{where} is {found[0]:g} in all {len(y):,} training rows, so there is {nothing}; check its rule in {query}"
        )
    return y
