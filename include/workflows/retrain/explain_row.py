"""Explain the prediction of one row of the feature table by the contribution of each feature."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.core.errors import EvaluationFailed, ModelRefused
from include.core.suggestions import unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.registry.champion import Champion

#: Number of training rows that a prediction is explained against.
BACKGROUND_ROWS = 200
#: Number of keys that are searched for one like a misspelt key.
LIKE_KEYS = 5000


@dataclass(frozen=True)
class FeatureShare:
    """The contribution of one feature of the row, in the unit."""

    feature: str
    value: Any
    contribution: float


@dataclass(frozen=True)
class RowExplained:
    """One prediction, explained.

    Attributes
    ----------
    version, family
        Version and family of the model.
    table_version
        Version of the feature table.
    key
        The row's value of each key column.
    rows
        Number of rows with this key; the newest is explained.
    label
        The row's label; None where it is not known.
    features
        The largest contribution first.
    base, total
        The base, and the sum of base and contributions, in the unit.
    explained
        The total as a prediction.
    prediction
        The model's prediction, before calibration where `before_calibration` is set.
    calibrated
        The calibrated prediction; None where there is no calibrator, or where `prediction` is calibrated.
    predicted_class
        The class whose probability is explained; None unless the task is multiclass.
    """

    pipeline: str
    version: int
    family: str
    table_version: int
    key: dict[str, str]
    prediction_time: str
    rows: int
    label: Any
    features: list[FeatureShare]
    base: float
    total: float
    explained: float
    prediction: float
    unit: str
    method: str
    before_calibration: bool
    calibrated: float | None
    predicted_class: str | None


def explain_row(pipeline: Pipeline, keys: Sequence[str], version: int | None = None, seed: int = 0) -> RowExplained:
    """Return the contribution of each feature to a version's prediction of a row of the newest feature table.

    Parameters
    ----------
    keys
        A value for each column of features.key, in that order, or `column=value` in any order.
    version
        The champion by default.

    Raises
    ------
    RunMissing
        If no run has built features yet.
    EvaluationFailed
        If the table has no such row, or lacks a feature of the version.
    ModelRefused
        If there is no champion, no such version, or its files are not those that were registered.
    TrackingUnavailable
        If MLflow does not answer.
    """
    import numpy as np

    from include.features.build import read_feature_rows
    from include.registry.load_model import load_champion
    from include.reports.feature_page import newest_features
    from include.training.explain_predictions import explain_predictions
    from include.training.fit import predict
    from include.training.model_file import trusted_of

    table = newest_features(pipeline)
    key = parse_key(pipeline, keys)
    rows = read_feature_rows(table)
    position, found_rows = _find_row(pipeline, rows, key)
    found = _find_version(pipeline, version)
    model, training = load_champion(found, trusted_of(pipeline.training)), pipeline.training
    frame = rows.slice(position, 1).to_pandas()
    added = explain_predictions(model, frame, _background(rows, found, seed), training, None, seed)
    predicted = predict(model, frame, training)[0]
    features = [
        FeatureShare(name, _to_python(frame[name].iloc[0]), float(values[0])) for name, values in added.values.items()
    ]
    return RowExplained(
        pipeline=pipeline.name,
        version=found.version,
        family=found.family,
        table_version=table.version,
        key=key,
        prediction_time=str(frame["prediction_time"].iloc[0]),
        rows=found_rows,
        label=_to_python(frame[pipeline.features.label].iloc[0]) if pipeline.features.label in frame else None,
        features=sorted(features, key=lambda each: (-abs(each.contribution), each.feature)),
        base=float(added.base[0]),
        total=float(added.total[0]),
        explained=float(added.explained[0]),
        prediction=float(added.prediction[0]),
        unit=added.unit,
        method=added.method,
        before_calibration=added.before_calibration,
        calibrated=float(predicted) if added.before_calibration else None,
        predicted_class=str(model.classes_[np.argmax(predicted)]) if training.task == "multiclass" else None,
    )


def parse_key(pipeline: Pipeline, keys: Sequence[str]) -> dict[str, str]:
    """Return the value of each key column, as text.

    Raises
    ------
    EvaluationFailed
        If a value is missing, one is too many, or a column is not in the key.
    """
    columns = pipeline.features.key
    named = [each.split("=", 1) for each in keys]
    if any(each[0] in columns for each in named if len(each) == 2):
        for each in named:
            if len(each) < 2 or each[0] not in columns:
                raise EvaluationFailed(f"{pipeline.name}: --key: {unknown_name('key column', each[0], columns)}")
        found = dict(each for each in named)
    else:
        found = dict(zip(columns, keys, strict=False))
    if len(found) != len(keys) or set(found) != set(columns):
        usage = " ".join(f"--key {name}=VALUE" for name in columns)
        raise EvaluationFailed(
            f"{pipeline.name}: the key of a row is {', '.join(columns)}, so {len(columns)} "
            f"value{'s are' if len(columns) > 1 else ' is'} needed, and {len(keys)} given; write {usage}"
        )
    return found


def _find_row(pipeline: Pipeline, rows: pa.Table, key: dict[str, str]) -> tuple[int, int]:
    """Return the position of the newest row with a key, and the number of rows with it; rows are in time order."""
    import numpy as np

    missing = [name for name in key if name not in rows.column_names]
    if missing:
        raise EvaluationFailed(
            f"{pipeline.name}: the newest feature table has no column {', '.join(missing)}, because pipeline.yaml has "
            f"changed since the table was built; run the DAG {pipeline.name}.retrain first"
        )
    matching = np.ones(rows.num_rows, dtype=bool)
    for name, value in key.items():
        matching &= _texts(rows, name) == value
    places = np.flatnonzero(matching)
    if len(places):
        return int(places[-1]), len(places)
    last = rows.slice(max(0, rows.num_rows - LIKE_KEYS))
    keys = list(dict.fromkeys(", ".join(each) for each in _keys(last, key)))
    wanted = ", ".join(key.values())
    near = difflib.get_close_matches(wanted, keys, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    newest = f", the newest being '{keys[-1]}'" if keys else ""
    raise EvaluationFailed(
        f"{pipeline.name}: the newest feature table has no row with {', '.join(key)} '{wanted}'{hint} (it holds "
        f"{rows.num_rows:,} rows{newest})"
    )


def _texts(rows: pa.Table, name: str) -> Any:
    """Return a column as the text that a user types on a command line, of shape (n_rows,)."""
    import pyarrow as pa

    column = rows[name]
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.to_pandas().to_numpy(dtype=object)
    return column.to_pandas().map(_text).to_numpy(dtype=object)


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value == value and value == int(value) else str(value)


def _keys(rows: pa.Table, key: dict[str, str]) -> list[tuple[str, ...]]:
    return list(zip(*(map(str, _texts(rows, name)) for name in key), strict=True))


def _find_version(pipeline: Pipeline, version: int | None) -> Champion:
    from include.registry.champion import find_champion, find_version

    if version is not None:
        return find_version(pipeline.name, version)
    champion = find_champion(pipeline.name)
    if champion is None:
        raise ModelRefused(f"{pipeline.name} has no champion yet; name a version with --version")
    return champion


def _background(rows: pa.Table, found: Champion, seed: int) -> pd.DataFrame:
    """Return a sample of the version's training rows, or of all rows where the table no longer has those."""
    import numpy as np

    times = rows["prediction_time"].to_pandas().dt.strftime("%Y-%m-%d").to_numpy(dtype=str)
    learned = np.flatnonzero((times >= found.train_start.isoformat()) & (times <= found.train_end.isoformat()))
    places = learned if len(learned) else np.arange(rows.num_rows)
    if len(places) > BACKGROUND_ROWS:
        places = np.sort(np.random.default_rng(seed).choice(places, BACKGROUND_ROWS, replace=False))
    return rows.take(places).to_pandas()


def _to_python(value: Any) -> Any:
    """Return a value of a frame as a Python type; None where it is null."""
    import pandas as pd

    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
