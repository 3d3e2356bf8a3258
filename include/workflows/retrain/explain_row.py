"""Explains one prediction: a row of the feature table, from its raw values to what each adds."""

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

#: Rows that the prediction is compared with.
BACKGROUND_ROWS = 200
#: Keys that are looked through for one that is like a misspelt one.
LIKE_KEYS = 5000


@dataclass(frozen=True)
class FeatureShare:
    """What one feature of the row adds, in the unit."""

    feature: str
    value: Any
    contribution: float


@dataclass(frozen=True)
class RowExplained:
    """One prediction, explained.

    Attributes
    ----------
    version, family
        The model's.
    table_version
        Of the feature table.
    key
        Of the row, by the key's columns.
    rows
        Rows of this key, of which the newest is explained.
    label
        What came of it; None where that is not known.
    features
        The weightiest first.
    base, total
        Base, and base and contributions together, in the unit.
    explained
        What the total is as a prediction.
    prediction
        What the model predicts, before its calibrator where `before_calibration` is set.
    calibrated
        What the calibrator makes of it; None where there is none, or where it is in the prediction already.
    predicted_class
        Of several classes the one that the probability is of.
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
    """Return what each feature adds to what a version predicts of a row of the newest feature table.

    Parameters
    ----------
    keys
        A value of each column of features.key, in that order, or as `column=value` in any.
    version
        By default the champion.

    Raises
    ------
    RunMissing
        If no run has built features yet.
    EvaluationFailed
        If the table has no such row, or lacks a feature that the version takes.
    ModelRefused
        If there is no champion, or no such version, or its files are not those that were registered.
    TrackingUnavailable
        If MLflow does not answer.
    """
    import numpy as np

    from include.features.build import read_feature_rows
    from include.registry.champion import load_champion
    from include.reports.feature_page import newest_features
    from include.training.explain_predictions import explain_predictions
    from include.training.fit import predict
    from include.training.model_file import trusted_of

    table = newest_features(pipeline)
    asked = asked_key(pipeline, keys)
    rows = read_feature_rows(table)
    position, found_rows = _position(pipeline, rows, asked)
    found = _version(pipeline, version)
    model, training = load_champion(found, trusted_of(pipeline.training)), pipeline.training
    frame = rows.slice(position, 1).to_pandas()
    added = explain_predictions(model, frame, _background(rows, found, seed), training, None, seed)
    predicted = predict(model, frame, training)[0]
    features = [
        FeatureShare(name, _plain(frame[name].iloc[0]), float(values[0])) for name, values in added.values.items()
    ]
    return RowExplained(
        pipeline=pipeline.name,
        version=found.version,
        family=found.family,
        table_version=table.version,
        key=asked,
        prediction_time=str(frame["prediction_time"].iloc[0]),
        rows=found_rows,
        label=_plain(frame[pipeline.features.label].iloc[0]) if pipeline.features.label in frame else None,
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


def asked_key(pipeline: Pipeline, keys: Sequence[str]) -> dict[str, str]:
    """Return the value of each key column, as text.

    Raises
    ------
    EvaluationFailed
        If a value is missing, or one too many, or of a column that is no key.
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
        each = " ".join(f"--key {name}=VALUE" for name in columns)
        raise EvaluationFailed(
            f"{pipeline.name}: the key of a row is {', '.join(columns)}, so {len(columns)} "
            f"value{'s are' if len(columns) > 1 else ' is'} needed, and {len(keys)} given; write {each}"
        )
    return found


def _position(pipeline: Pipeline, rows: pa.Table, asked: dict[str, str]) -> tuple[int, int]:
    """Return where the newest row of a key is, the rows being in the order of their times, and how many there are."""
    import numpy as np

    missing = [name for name in asked if name not in rows.column_names]
    if missing:
        raise EvaluationFailed(
            f"{pipeline.name}: the newest feature table has no column {', '.join(missing)}, since pipeline.yaml has "
            f"changed after it was built; run the DAG {pipeline.name}.retrain first"
        )
    matching = np.ones(rows.num_rows, dtype=bool)
    for name, value in asked.items():
        matching &= _texts(rows, name) == value
    places = np.flatnonzero(matching)
    if len(places):
        return int(places[-1]), len(places)
    last = rows.slice(max(0, rows.num_rows - LIKE_KEYS))
    keys = list(dict.fromkeys(", ".join(each) for each in _keys(last, asked)))
    told = ", ".join(asked.values())
    near = difflib.get_close_matches(told, keys, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    newest = f", the newest being '{keys[-1]}'" if keys else ""
    raise EvaluationFailed(
        f"{pipeline.name}: the newest feature table has no row with {', '.join(asked)} '{told}'{hint} (it holds "
        f"{rows.num_rows:,} rows{newest})"
    )


def _texts(rows: pa.Table, name: str) -> Any:
    """Return a column as text, as it is typed on a command line, of shape (n_rows,)."""
    import pyarrow as pa

    column = rows[name]
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.to_pandas().to_numpy(dtype=object)
    return column.to_pandas().map(_text).to_numpy(dtype=object)


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value == value and value == int(value) else str(value)


def _keys(rows: pa.Table, asked: dict[str, str]) -> list[tuple[str, ...]]:
    return list(zip(*(map(str, _texts(rows, name)) for name in asked), strict=True))


def _version(pipeline: Pipeline, version: int | None) -> Champion:
    from include.registry.champion import find_champion, find_version

    if version is not None:
        return find_version(pipeline.name, version)
    champion = find_champion(pipeline.name)
    if champion is None:
        raise ModelRefused(f"{pipeline.name} has no champion yet; name a version with --version")
    return champion


def _background(rows: pa.Table, found: Champion, seed: int) -> pd.DataFrame:
    """Return some of the rows that the version has learned from, or of all where the table has them no longer."""
    import numpy as np

    times = rows["prediction_time"].to_pandas().dt.strftime("%Y-%m-%d").to_numpy(dtype=str)
    learned = np.flatnonzero((times >= found.train_start) & (times <= found.train_end))
    places = learned if len(learned) else np.arange(rows.num_rows)
    if len(places) > BACKGROUND_ROWS:
        places = np.sort(np.random.default_rng(seed).choice(places, BACKGROUND_ROWS, replace=False))
    return rows.take(places).to_pandas()


def _plain(value: Any) -> Any:
    """Return a value of a frame as Python has it; None where there is none."""
    import pandas as pd

    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
