"""Which run asks a question: the rows that each run predicts, so that every row is predicted once."""

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


def asked_rows(pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> pa.Table:
    """Return the feature rows that the run as of a day predicts, as `build_features` makes them."""
    import pyarrow as pa

    rows = compute_rows(pipeline, snapshot, as_of, midnight(as_of))
    keys = rows.select(list(dict.fromkeys([*pipeline.features.key, PREDICTION_TIME]))).to_pandas()
    return rows.filter(pa.array(asked_since(pipeline, snapshot, keys, as_of), pa.bool_()))


def asked_since(pipeline: Pipeline, snapshot: dict[str, int], rows: pd.DataFrame, day: date) -> np.ndarray:
    """Return which rows the runs as of a day and of later ones predict; boolean, of shape (n_rows,).

    Of the rows that are asked at the midnight that begins the day, these are the rows that came too late for the run
    as of the day before, and yet were known when they were asked.

    Parameters
    ----------
    rows
        With the key and `prediction_time`.
    """
    first = midnight(day)
    since, at_first = (rows[PREDICTION_TIME] >= first).to_numpy(copy=True), (rows[PREDICTION_TIME] == first).to_numpy()
    if at_first.any():
        since &= ~_asked_before(pipeline, snapshot, rows, day)
    if (since & at_first).any():
        known = compute_rows(pipeline, snapshot, day, first, known_at=first)
        since &= ~at_first | _is_among(rows, known, pipeline.features.key)
    return since


def _asked_before(pipeline: Pipeline, snapshot: dict[str, int], rows: pd.DataFrame, day: date) -> np.ndarray:
    """Return which rows are asked at the midnight that begins a day, and predicted by the run as of the day before."""
    first = midnight(day)
    before = compute_rows(pipeline, snapshot, day - timedelta(days=1), first)
    return (rows[PREDICTION_TIME] == first).to_numpy() & _is_among(rows, before, pipeline.features.key)


def _is_among(rows: pd.DataFrame, others: pa.Table, key: list[str]) -> np.ndarray:
    """Return which rows have the key of one of the others."""
    import pandas as pd

    return pd.MultiIndex.from_frame(rows[key]).isin(pd.MultiIndex.from_frame(others.select(key).to_pandas()))


def asked_days(pipeline: Pipeline, snapshot: dict[str, int], rows: pd.DataFrame) -> np.ndarray:
    """Return the day as of which each row is predicted, as ISO text of shape (n_rows,).

    Parameters
    ----------
    rows
        With the key and `prediction_time`.
    """
    import numpy as np

    times = rows[PREDICTION_TIME].to_numpy().astype("datetime64[us]")
    days = calendar_days(times)
    asked = days.copy()
    for day in np.unique(days[times == days]).tolist():
        asked[_asked_before(pipeline, snapshot, rows, day)] -= np.timedelta64(1, "D")
    return asked.astype(str)
