"""Assigns each feature row to the run that predicts it, so that every row is predicted exactly once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from include.core.as_of import calendar_days, midnight
from include.features.build import compute_rows
from include.features.query import PREDICTION_TIME

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from include.config.pipeline import Pipeline


def rows_to_predict(pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> pa.Table:
    """Return the feature rows that the run as of a day predicts, equal to those of `build_features`."""
    import pyarrow as pa

    rows = compute_rows(pipeline, snapshot, as_of, midnight(as_of))
    keys = rows.select(list(dict.fromkeys([*pipeline.features.key, PREDICTION_TIME]))).to_pandas()
    return rows.filter(pa.array(predicted_since(pipeline, snapshot, keys, as_of), pa.bool_()))


def predicted_since(pipeline: Pipeline, snapshot: dict[str, int], rows: pd.DataFrame, day: date) -> np.ndarray:
    """Return which rows the run as of a day or a later run predicts; boolean, of shape (n_rows,).

    The midnight that begins the day belongs to two runs. The run as of the day before predicts the rows with this
    prediction time that it can see; the run as of the day predicts those that arrived too late for it and yet were
    available at midnight.

    Parameters
    ----------
    rows
        With the key and `prediction_time`.
    """
    first = midnight(day)
    since = (rows[PREDICTION_TIME] >= first).to_numpy(copy=True)
    at_first = (rows[PREDICTION_TIME] == first).to_numpy()
    if at_first.any():
        since &= ~_predicted_before(pipeline, snapshot, rows, day)
    if (since & at_first).any():
        known = compute_rows(pipeline, snapshot, day, first, known_at=first)
        since &= ~at_first | _is_among(rows, known, pipeline.features.key)
    return since


def _predicted_before(pipeline: Pipeline, snapshot: dict[str, int], rows: pd.DataFrame, day: date) -> np.ndarray:
    """Return which rows have the midnight that begins a day and are predicted by the run as of the day before."""
    first = midnight(day)
    before = compute_rows(pipeline, snapshot, day - timedelta(days=1), first)
    return (rows[PREDICTION_TIME] == first).to_numpy() & _is_among(rows, before, pipeline.features.key)


def _is_among(rows: pd.DataFrame, others: pa.Table, key: list[str]) -> np.ndarray:
    """Return which rows have a key that is also among the others."""
    import pandas as pd

    return pd.MultiIndex.from_frame(rows[key]).isin(pd.MultiIndex.from_frame(others.select(key).to_pandas()))


def prediction_days(pipeline: Pipeline, snapshot: dict[str, int], rows: pd.DataFrame) -> np.ndarray:
    """Return the day of the run that predicts each row, as ISO text of shape (n_rows,).

    Parameters
    ----------
    rows
        With the key and `prediction_time`.
    """
    import numpy as np

    times = rows[PREDICTION_TIME].to_numpy().astype("datetime64[us]")
    days = calendar_days(times)
    predicted_on = days.copy()
    for day in np.unique(days[times == days]).tolist():
        predicted_on[_predicted_before(pipeline, snapshot, rows, day)] -= np.timedelta64(1, "D")
    return predicted_on.astype(str)
