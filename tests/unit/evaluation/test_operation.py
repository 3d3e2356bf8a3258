"""Size and speed, by a clock that only the model moves."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from include.evaluation.operation import measure_operation


class Timed:
    """A model that takes so many seconds a call and a row, and the clock by which it does."""

    def __init__(self, call: float, row: float, first: float = 0.0) -> None:
        self.call, self.row, self.first = call, row, first
        self.now = 100.0
        self.rows: list[int] = []

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Predict, and let the time pass."""
        self.now += self.call + self.row * len(frame) + (0 if self.rows else self.first)
        self.rows.append(len(frame))
        return np.zeros(len(frame))

    def clock(self) -> float:
        """Return the time."""
        return self.now


def _frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"value": np.arange(float(rows))})


def test_one_row_and_a_batch_are_timed() -> None:
    """One row is measured in milliseconds, a batch in rows a second; the first call, which loads, does not count."""
    model = Timed(call=0.009, row=0.00001, first=5)

    found = measure_operation(model.predict, _frame(3000), 1234, clock=model.clock)

    assert found.model_bytes == 1234
    assert found.row_ms == pytest.approx(9.01)
    assert found.rows_per_second == pytest.approx(3000 / 0.039)
    assert found.rows == 3000
    assert model.rows == [1] * 31 + [3000] * 3


def test_a_busy_machine_changes_little() -> None:
    """One call that takes long is neither in the median nor in the best."""
    model = Timed(call=0.001, row=0)
    steady, calls = model.predict, []

    def predict(frame: pd.DataFrame) -> np.ndarray:
        calls.append(len(frame))
        model.now += 0.2 if len(calls) in (5, 32) else 0  # a single row, and the first of the batches
        return steady(frame)

    found = measure_operation(predict, _frame(2000), 1, clock=model.clock)

    assert found.row_ms == pytest.approx(1)
    assert found.rows_per_second == pytest.approx(2000 / 0.001)


def test_no_more_than_a_batch_of_the_holdout_is_predicted() -> None:
    """A holdout of many rows is not predicted whole."""
    model = Timed(call=0.001, row=0)

    assert measure_operation(model.predict, _frame(50_000), 1, clock=model.clock).rows == 20_000


def test_a_small_holdout_is_repeated() -> None:
    """What a call costs by itself is not put down to the few rows that there are."""
    model = Timed(call=0.02, row=0.00001)

    found = measure_operation(model.predict, _frame(7), 1, clock=model.clock)

    assert found.rows == 2000
    assert found.rows_per_second == pytest.approx(2000 / 0.04)


def test_a_slow_model_is_not_asked_for_long() -> None:
    """After a second nothing is repeated, and each is measured once at least."""
    model = Timed(call=0.4, row=0)

    found = measure_operation(model.predict, _frame(2000), 1, clock=model.clock)

    assert model.rows == [1, 1, 1, 1, 2000]
    assert found.row_ms == pytest.approx(400)


def test_without_rows_nothing_is_timed() -> None:
    """Where nothing was held out, the times are not known and the model is not asked."""
    model = Timed(call=1, row=0)

    found = measure_operation(model.predict, _frame(0), 5, clock=model.clock)

    assert (found.model_bytes, found.rows, model.rows) == (5, 0, [])
    assert math.isnan(found.row_ms)
    assert math.isnan(found.rows_per_second)


def test_a_coarse_clock_gives_a_number() -> None:
    """Where the clock shows no time, the speed is still finite."""
    model = Timed(call=0, row=0)

    assert math.isfinite(measure_operation(model.predict, _frame(10), 1, clock=model.clock).rows_per_second)
