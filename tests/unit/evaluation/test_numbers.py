"""Numbers are read from JSON, NaN included."""

from __future__ import annotations

import math

from pydantic import TypeAdapter

from include.evaluation.refits import Refits


def test_a_null_is_read_as_nan() -> None:
    """Where a number may be NaN, null is read as one, and a number as itself."""
    read = TypeAdapter(Refits).validate_python({"seeds": [1007, 2007], "values": [None, 0.7]})

    assert read.seeds == [1007, 2007]
    assert math.isnan(read.values[0])
    assert read.values[1] == 0.7
