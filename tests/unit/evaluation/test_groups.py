"""A column's rows are taken by value or by quarter, and no row is in two groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.core.errors import EvaluationFailed
from include.evaluation.groups import MOST_GROUPS, rows_by_value


def _rows(values: object, min_rows: int = 1) -> dict[str, list[int]]:
    frame = pd.DataFrame({"column": values})
    return {value: rows.tolist() for value, rows in rows_by_value(frame, "column", min_rows).items()}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["UA", "AA", None, "UA"], {"AA": [1], "UA": [0, 3], "missing": [2]}),
        (pd.Categorical(["b", "a", None, "b"]), {"a": [1], "b": [0, 3], "missing": [2]}),
        ([True, False, True], {"False": [1], "True": [0, 2]}),
        (pd.array([True, None, False], dtype="boolean"), {"False": [2], "True": [0], "missing": [1]}),
        ([3.0, np.nan, 0.25, 3.0], {"0.25": [2], "3": [0, 3], "missing": [1]}),
        ([10, 9, 10], {"9": [1], "10": [0, 2]}),
        ([0.1234567, 0.1234568], {"0.1234567": [0], "0.1234568": [1]}),
        ([None, None], {"missing": [0, 1]}),
        ([], {}),
    ],
    ids=["text", "categories", "truth values", "nullable", "numbers", "whole numbers", "close", "nothing", "no rows"],
)
def test_few_values_are_groups_of_their_own(values: object, expected: dict[str, list[int]]) -> None:
    """Each value has its rows, by a readable name; rows without a value are `missing`."""
    assert {value: rows for value, rows in _rows(values).items() if rows} == expected


def test_many_numbers_are_taken_by_quarters() -> None:
    """Each quarter is named by its ends, has a quarter of the rows with a number, and begins after the one before."""
    found = _rows([*range(100, 0, -1), None])

    assert list(found) == ["1 to 25", "25 to 50", "50 to 75", "75 to 100", "missing"]
    assert [len(rows) for rows in found.values()] == [25, 25, 25, 25, 1]
    assert found["1 to 25"] == list(range(75, 100))


def test_a_frequent_number_is_a_group_of_its_own() -> None:
    """Where more than a quarter of the rows have one number, the quarters that it ends are one."""
    found = _rows([0.0] * 60 + [each + 0.5 for each in range(40)])

    assert list(found) == ["0", "0 to 14.5", "14.5 to 39.5"]
    assert [len(rows) for rows in found.values()] == [60, 15, 25]


def test_times_are_taken_by_quarters() -> None:
    """The groups of a column of times are named by times."""
    found = _rows(pd.date_range("2024-02-01", periods=12, freq="D"))

    assert [len(rows) for rows in found.values()] == [3, 3, 3, 3]
    assert next(iter(found)).startswith("2024-02-01T00:00:00")


def test_values_of_few_rows_are_put_together() -> None:
    """What has too few rows, missing ones included, is one group, if that has enough."""
    values = ["a"] * 5 + ["b"] * 2 + ["c"] * 2 + [None]

    assert _rows(values, 5) == {"a": [0, 1, 2, 3, 4], "other values": [5, 6, 7, 8, 9]}
    assert _rows(values, 6) == {"other values": list(range(10))}
    assert list(_rows(values[:-1], 5)) == ["a"]


def test_of_very_many_values_those_of_the_most_rows_are_kept() -> None:
    """Beyond the limit the smallest values join `other values`; no row is lost or counted twice."""
    values = [f"{number:03d}" for number in range(80) for _ in range(10 + number)]

    found = _rows(values, 10)

    assert len(found) == MOST_GROUPS
    assert list(found) == [*(f"{number:03d}" for number in range(31, 80)), "other values"]
    assert sorted(row for rows in found.values() for row in rows) == list(range(len(values)))


def test_a_column_that_is_not_there_is_named() -> None:
    """The error about a mistyped column suggests the one that was meant."""
    with pytest.raises(EvaluationFailed, match="there is no column 'carier'; did you mean 'carrier'"):
        rows_by_value(pd.DataFrame({"carrier": ["UA"]}), "carier", 1)


def test_a_column_of_lists_is_refused() -> None:
    """Values that cannot be grouped lead to a sentence, not to a traceback."""
    with pytest.raises(EvaluationFailed, match="the values of column 'tags' cannot be grouped"):
        rows_by_value(pd.DataFrame({"tags": [["a"], ["b"]]}), "tags", 1)
