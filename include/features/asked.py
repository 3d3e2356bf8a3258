"""Which run asks a question: the rows that each run predicts, so that every row is predicted once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from include.as_of import calendar_days, midnight
from include.features.build import compute_rows
from include.features.query import PREDICTION_TIME

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from include.config import Pipeline


def asked_rows(pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> pa.Table:
    """Return the feature rows that the run as of a day predicts, as `build_features` makes them."""
    import pyarrow as pa

    rows = compute_rows(pipeline, snapshot, as_of, midnight(as_of))
    keys = rows.select(list(dict.fromkeys([*pipeline.features.key, PREDICTION_TIME]))).to_pandas()
    return rows.filter(pa.array(~asked_before(pipeline, snapshot, keys, as_of), pa.bool_()))


def asked_before(pipeline: Pipeline, snapshot: dict[str, int], rows: pd.DataFrame, day: date) -> np.ndarray:
    """Return which rows the run as of the day before predicts, of those that are asked from a day's midnight on.

    These are rows that are asked at the midnight itself, and that what was seen as of the day before yields. If any
    row is asked then, the query is run once to tell.

    Parameters
    ----------
    rows
        With the key and `prediction_time`.

    Returns
    -------
    numpy.ndarray
        Boolean, of shape (n_rows,).
    """
    import pandas as pd

    key = pipeline.features.key
    found = (rows[PREDICTION_TIME] == midnight(day)).to_numpy(dtype=bool, copy=True)
    if found.any():
        before = compute_rows(pipeline, snapshot, day - timedelta(days=1), midnight(day)).select(key).to_pandas()
        found[found] = pd.MultiIndex.from_frame(rows.loc[found, key]).isin(pd.MultiIndex.from_frame(before))
    return found


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
        asked[asked_before(pipeline, snapshot, rows, day)] -= np.timedelta64(1, "D")
    return asked.astype(str)
