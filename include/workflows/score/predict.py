"""Predict rows with the champion, or refuse with the reason why it cannot predict them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core.errors import ScoringImpossible
from include.core.names import PROBABILITY
from include.features.query import PREDICTION_TIME
from include.training.columns import kind_of
from include.training.fit import predict

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.registry.champion import Champion


def check_inputs(
    pipeline: Pipeline, champion: Champion, model: Model, inputs: Mapping[str, str] | None, rows: pa.Table
) -> pd.DataFrame:
    """Return the columns that a champion takes, if all are there and of the kind that it was trained on.

    Parameters
    ----------
    inputs
        The kind of each column at registration, `number` or `text`; None where the kinds are not known.

    Raises
    ------
    ScoringImpossible
        If a column is missing or of another kind, or the champion was trained for another task.
    """
    who = f"{pipeline.name}: the champion, version {champion.version}, was trained"
    until = "until a version without it is the champion"
    _check_task(pipeline, model, who)
    names = [str(name) for name in model.feature_names_in_]
    missing = [name for name in names if name not in rows.column_names]
    if missing:
        raise ScoringImpossible(
            f"{who} on {', '.join(missing)}, which {pipeline.features.query} no longer returns; keep it in the query "
            f"{until}"
        )
    frame = rows.select(names).to_pandas()
    kinds = {name: kind_of(frame[name].dtype) for name in names}
    changed = [name for name in names if inputs and inputs.get(name, kinds[name]) != kinds[name]]
    if inputs and changed:
        listed = ", ".join(
            f"'{name}' as {inputs[name]}, which is now {rows.schema.field(name).type}" for name in changed
        )
        raise ScoringImpossible(
            f"{who} on {listed}; cast it in {pipeline.features.query} to the old type, and return the new one under "
            f"another name, {until}"
        )
    return frame


def predict_rows(pipeline: Pipeline, champion: Champion, model: Model, rows: pa.Table, frame: pd.DataFrame) -> pa.Table:
    """Return the predictions of rows in their order, as the table of predictions has them.

    Parameters
    ----------
    rows
        With the key and `prediction_time`.
    frame
        The result of `check_inputs` for these rows.

    Raises
    ------
    ScoringImpossible
        If a prediction is not a finite number.
    """
    import numpy as np
    import pyarrow as pa

    training = pipeline.training
    classes = list(np.asarray(model.classes_).tolist()) if training.task == "multiclass" else None
    shape = (0,) if classes is None else (0, len(classes))
    # estimators refuse to predict nothing
    predicted = predict(model, frame, training, classes) if len(frame) else np.zeros(shape)
    broken = int((~np.isfinite(predicted)).reshape(len(predicted), -1).any(axis=1).sum()) if len(predicted) else 0
    if broken:
        raise ScoringImpossible(
            f"{pipeline.name}: version {champion.version} predicts no finite number for {broken:,} of {len(frame):,} "
            f"rows; roll back to another version by the DAG {pipeline.name}.rollback, then start a new run"
        )
    key = rows.select(list(dict.fromkeys([*pipeline.features.key, PREDICTION_TIME])))
    columns: dict[str, pa.Array | pa.ChunkedArray] = dict(zip(key.column_names, key.columns, strict=True))
    if classes is not None:
        columns |= _class_columns(predicted, classes)
    else:
        columns["prediction"] = pa.array(predicted, pa.float64())
    if training.task == "binary":
        threshold = champion.threshold
        decided = [None] * len(frame) if threshold is None else predicted >= threshold
        columns["decision"] = pa.array(decided, pa.bool_())
    columns["model_version"] = pa.array([champion.version] * len(frame), pa.int64())
    return pa.table(columns)


def _class_columns(predicted: np.ndarray, classes: list[Any]) -> dict[str, pa.Array]:
    """Return the columns with the likeliest class, its probability, and the probability of each class."""
    import numpy as np
    import pyarrow as pa

    kind = pa.string() if isinstance(classes[0], str) else pa.int64()
    likeliest = predicted.argmax(axis=1)
    each = {f"{PROBABILITY}{name}": pa.array(predicted[:, at], pa.float64()) for at, name in enumerate(classes)}
    return {
        "prediction": pa.array(predicted[np.arange(len(predicted)), likeliest], pa.float64()),
        "predicted_class": pa.array([classes[at] for at in likeliest], kind),
    } | each


def _check_task(pipeline: Pipeline, model: Model, who: str) -> None:
    import numpy as np

    task = pipeline.training.task
    found = getattr(model, "classes_", None)  # scikit-learn sets it on classifiers
    classes = None if found is None else set(np.asarray(found).tolist())
    fits = {"binary": classes is not None and classes <= {0, 1}, "multiclass": classes is not None}
    if not fits.get(task, classes is None):
        raise ScoringImpossible(
            f"{who} for another task than {task}, which pipeline.yaml names now; run the DAG {pipeline.name}.retrain "
            "until it promotes a version for the new task"
        )
