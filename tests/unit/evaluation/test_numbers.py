"""Numbers come back from JSON as they went, NaN included."""

from __future__ import annotations

import json
import math

from pydantic import TypeAdapter

from include.evaluation.numbers import without_nan
from include.evaluation.refits import Refits

NAN = math.nan


def test_non_finite_numbers_are_null() -> None:
    """A NaN and infinities become null at any depth, and all else stays as it is."""
    value = {"a": [1.5, NAN, (math.inf, 2)], "b": {"c": -math.inf, "d": None}, "e": "nan", "f": True, "g": 0}

    assert without_nan(value) == {
        "a": [1.5, None, [None, 2]],
        "b": {"c": None, "d": None},
        "e": "nan",
        "f": True,
        "g": 0,
    }
    json.dumps(without_nan(value), allow_nan=False)


def test_a_null_is_read_as_nan() -> None:
    """Where a number may be NaN, null is read as one, and a number as itself."""
    read = TypeAdapter(Refits).validate_python({"seeds": [1007, 2007], "values": [None, 0.7]})

    assert read.seeds == [1007, 2007]
    assert math.isnan(read.values[0])
    assert read.values[1] == 0.7
