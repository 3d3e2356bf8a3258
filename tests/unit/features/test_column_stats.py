"""Column statistics: nulls, the number of distinct values, and their range."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from include.features import column_stats as module
from include.features.column_stats import ColumnStats, column_stats

if TYPE_CHECKING:
    import pytest


def test_each_type_of_column_has_its_statistics() -> None:
    """Numbers have a mean, times a first and a last, text neither; nulls are counted and are not values."""
    times = [datetime(2024, 1, 1), datetime(2024, 1, 3), None]
    rows = pa.table(
        {
            "number": pa.array([1, 3, None], pa.int64()),
            'odd "name"': pa.array([0.5, 0.5, float("inf")]),
            "text": pa.array(["a", "b", "b"]),
            "flag": pa.array([True, None, None]),
            "time": pa.array(times, pa.timestamp("us")),
            "empty": pa.array([None, None, None], pa.float64()),
        }
    )

    assert list(column_stats(rows).values()) == [
        ColumnStats("number", "integer", nulls=1, distinct=2, low=1, mean=2.0, high=3),
        ColumnStats('odd "name"', "float", nulls=0, distinct=2, low=0.5, mean=0.5, high=float("inf")),
        ColumnStats("text", "string", nulls=0, distinct=2),
        ColumnStats("flag", "boolean", nulls=2, distinct=1),
        ColumnStats("time", "timestamp", nulls=1, distinct=2, low=times[0], high=times[1]),
        ColumnStats("empty", "float", nulls=3, distinct=0),
    ]


def test_a_table_without_rows_has_statistics() -> None:
    """The first night of a pipeline may have no row to predict."""
    found = column_stats(pa.table({"x": pa.array([], pa.float64())}))

    assert found["x"] == ColumnStats("x", "float", nulls=0, distinct=0)


def test_many_distinct_values_are_estimated_and_never_exceed_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exact count of every column takes ten times as long, and nobody needs it."""
    monkeypatch.setattr(module, "COUNTED_VALUES", 100)
    rows = pa.table({"few": [number % 7 for number in range(1000)], "many": list(range(1000))})

    found = column_stats(rows)

    assert (found["few"].distinct, found["few"].exact) == (7, True)
    assert 700 < found["many"].distinct <= 1000
    assert not found["many"].exact


def test_a_wide_table_has_statistics_of_every_column() -> None:
    """However many columns there are."""
    rows = pa.table({f"c{number}": [float(number), 2.0, None] for number in range(300)})

    measured = column_stats(rows)

    assert [each.high for each in measured.values()] == [max(2.0, number) for number in range(300)]
    assert {each.distinct for name, each in measured.items() if name != "c2"} == {2}
