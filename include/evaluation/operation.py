"""The size of a model, and how long it takes to predict one row and many."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

#: Rows of a batch. Fewer rows are repeated, so that the fixed cost of a call does not dominate.
LEAST_ROWS, MOST_ROWS = 2000, 20_000
#: Number of times that a batch is predicted.
BATCHES = 3
#: No further repeat starts after this time.
SECONDS = 1.0


@dataclass(frozen=True)
class Operation:
    """Size and speed of a model, on the machine that trained it.

    Attributes
    ----------
    model_bytes
        Size of the model file.
    row_ms
        Milliseconds to predict one row; the median of several repeats.
    rows_per_second
        Rows of a batch predicted in a second; the best of several repeats.
    rows
        Rows of the batch.
    """

    model_bytes: int
    row_ms: Number
    rows_per_second: Number
    rows: int


def measure_operation(
    predict: Callable[[pd.DataFrame], np.ndarray],
    frame: pd.DataFrame,
    model_bytes: int,
    *,
    repeats: int = 30,
    clock: Callable[[], float] = time.perf_counter,
) -> Operation:
    """Return the size of a model and how fast it predicts.

    The median and the best are taken because other work on the machine makes single measurements too long.

    Parameters
    ----------
    frame
        Rows with the columns that the model takes; without any, the times are NaN.
    repeats
        Maximum number of times that one row is predicted.
    clock
        Returns seconds since an arbitrary moment.
    """
    import numpy as np

    count = len(frame)
    if not count:
        return Operation(model_bytes, math.nan, math.nan, 0)
    predict(frame.iloc[:1])  # the first call loads libraries
    start = clock()

    def seconds_of(rows: pd.DataFrame) -> float:
        before = clock()
        predict(rows)
        return clock() - before

    singles: list[float] = []
    while len(singles) < repeats and (not singles or clock() - start < SECONDS):
        singles.append(seconds_of(frame.iloc[[len(singles) % count]]))
    batch = frame.iloc[np.resize(np.arange(min(count, MOST_ROWS)), max(LEAST_ROWS, min(count, MOST_ROWS)))]
    batches: list[float] = []
    while len(batches) < BATCHES and (not batches or clock() - start < SECONDS):
        batches.append(seconds_of(batch))
    best = max(min(batches), 1e-9)  # a coarse clock may measure 0, and infinity is not JSON
    return Operation(model_bytes, float(np.median(singles)) * 1000, len(batch) / best, len(batch))
