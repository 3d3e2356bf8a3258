"""Operation: what a model weighs, and how long it takes to predict one row and many."""

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

#: Rows of a batch. Fewer are repeated: what a call costs however few its rows are would else count for them.
LEAST_ROWS, MOST_ROWS = 2000, 20_000
#: How often a batch is predicted.
BATCHES = 3
#: When they have passed, nothing is measured once more.
SECONDS = 1.0


@dataclass(frozen=True)
class Operation:
    """What it costs to run a model, on the machine that trained it.

    Attributes
    ----------
    model_bytes
        Size of the model file.
    row_ms
        Milliseconds of predicting one row, the median of some.
    rows_per_second
        Of a batch, the best of some.
    rows
        Of the batch.
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
    """Return what a model weighs and how quickly it predicts.

    A median and a best are taken, since whatever else the machine does makes single measurements too long.

    Parameters
    ----------
    frame
        Rows with the columns that the model takes; without any, the times are NaN.
    repeats
        How often one row is predicted at most.
    clock
        Gives seconds from any moment on.
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
    best = max(min(batches), 1e-9)  # a coarse clock may show no time at all, and infinity is no JSON
    return Operation(model_bytes, float(np.median(singles)) * 1000, len(batch) / best, len(batch))
