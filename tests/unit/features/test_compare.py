"""Rows built again are equal to the stored rows, up to rounding of floats, or the differences are reported."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from include.features.compare import ColumnDifference, compare, differing_times
from include.features.query import PREDICTION_TIME

AT = datetime(2024, 1, 9)


def rows(
    values: list[Any], kind: pa.DataType | None = None, keys: list[str] | None = None, **times: datetime
) -> pa.Table:
    """Return rows of one feature, all at the same prediction time except for the keys in `times`."""
    keys = keys or [f"k{number}" for number in range(len(values))]
    at = pa.array([times.get(key, AT) for key in keys], pa.timestamp("us"))
    return pa.table({"key": pa.array(keys, pa.string()), "prediction_time": at, "x": pa.array(values, kind)})


def found(full: pa.Table, again: pa.Table) -> list[ColumnDifference]:
    """Compare the feature of two tables."""
    return compare(full, again, ["key"], ["x"])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, None, 0.0, -3.0], pa.float64()),
        ([1, None, 0, -3], pa.int32()),
        (["a", None, "", "é"], pa.string()),
        ([AT, None, AT, AT], pa.timestamp("us")),
    ],
)
def test_the_same_rows_have_no_difference(values: list[Any], kind: pa.DataType) -> None:
    """For every type, nulls are equal to nulls, and the order of rows does not matter."""
    full = rows(values, kind)

    assert found(full, full.take([2, 0, 3, 1])) == []


@pytest.mark.parametrize(
    ("kind", "value", "again", "same"),
    [
        (pa.float64(), 0.1 + 0.2, 0.3, True),
        (pa.float64(), 1e6, 1e6 * (1 + 9e-10), True),
        (pa.float64(), 1e6, 1e6 * (1 + 2e-9), False),
        (pa.float64(), -2.0, -2.0 * (1 + 2e-9), False),
        (pa.float64(), 0.0, 3e-14, True),
        (pa.float64(), 0.0, 3e-9, False),
        (pa.float64(), 0.0, None, False),
        (pa.float64(), None, 0.0, False),
        (pa.float32(), 1.0, 1.0000001, True),
        (pa.float32(), 1.0, 1.00001, False),
        (pa.int64(), 2**60, 2**60 + 1, False),
        (pa.int64(), None, 0, False),
        (pa.string(), "a", "A", False),
        (pa.string(), "", None, False),
    ],
)
def test_floats_may_differ_by_rounding_and_nothing_else(kind: pa.DataType, value: Any, again: Any, same: bool) -> None:
    """A billionth of a float is rounding, and so is a tiny difference from 0; integers, texts and nulls are exact."""
    differences = found(
        rows([1, value] if kind != pa.string() else ["1", value], kind),
        rows([1, again] if kind != pa.string() else ["1", again], kind),
    )

    assert [(each.kind, each.feature, each.rows, each.compared) for each in differences] == (
        [] if same else [("value", "x", 1, 2)]
    )


def test_a_difference_names_the_latest_row_with_its_two_values() -> None:
    """The example is the row with the latest prediction time; of several, the first by key."""
    times = {"k0": datetime(2024, 1, 8, 6), "k3": datetime(2024, 1, 8, 7)}
    full, again = rows([1.0, 2.0, 3.5, 4.0], **times), rows([9.0, 2.0, 3.25, 9.0], **times)

    assert found(full, again) == [
        ColumnDifference("value", "x", 3, 4, "key 'k2' at prediction_time 2024-01-09 00:00:00 UTC", "3.5", "3.25")
    ]


def test_missing_and_extra_rows_are_reported_without_their_values() -> None:
    """A missing or extra row is one difference, and its features are not compared."""
    full, again = rows([1.0, 2.0], keys=["a", "b"]), rows([2.0, None, 3.0], pa.float64(), keys=["b", "c", "d"])

    assert found(full, again) == [
        ColumnDifference("missing", "", 1, 2, "key 'a' at prediction_time 2024-01-09 00:00:00 UTC", "null", "null"),
        ColumnDifference("extra", "", 2, 2, "key 'c' at prediction_time 2024-01-09 00:00:00 UTC", "null", "null"),
    ]


def test_a_row_at_another_prediction_time_is_another_row() -> None:
    """A changed prediction time is one missing row and one extra row."""
    kinds = [each.kind for each in found(rows([1.0]), rows([1.0], k0=datetime(2024, 1, 8)))]

    assert kinds == ["missing", "extra"]


def test_no_rows_built_again_are_all_missing() -> None:
    """A spine that exists only after the fact leaves nothing to compare."""
    assert [(each.kind, each.rows, each.compared) for each in found(rows([1.0, 2.0]), rows([], pa.float64()))] == [
        ("missing", 2, 2)
    ]


def test_a_key_of_several_columns_and_odd_names_are_quoted() -> None:
    """Names are the query's own: with capitals, spaces, quotes, or those of SQL; long values are cut."""
    full = pa.table(
        {
            "Select": ["s", "s"],
            'no "1"': [1, 2],
            "prediction_time": pa.array([AT, AT], pa.timestamp("us")),
            "a feature's": ["same", "x" * 100],
        }
    )
    again = full.set_column(3, "a feature's", pa.array(["same", "y"]))

    difference = compare(full, again, ["Select", 'no "1"'], ["a feature's"])[0]

    assert difference.example == "Select 's', no \"1\" 2 at prediction_time 2024-01-09 00:00:00 UTC"
    assert difference.in_table == "'" + "x" * 56 + "..."
    assert difference.again == "'y'"


def test_the_times_at_which_a_column_differs_are_returned() -> None:
    """Rows are matched by time and key; only times with a difference are returned, with the number of rows."""
    times = [datetime(2024, 1, day) for day in (2, 1, 2, 3)]
    full = pa.table({"row": [1, 2, 3, 4], PREDICTION_TIME: times, "x": [1.0, 2.0, 3.0, None], "y": [1, 1, 1, 1]})
    again = full.set_column(2, "x", pa.array([5.0, 2.0, None, None]))

    assert differing_times(full, again, ["row"], ["x", "y"]) == {"x": {datetime(2024, 1, 2): 2}, "y": {}}
