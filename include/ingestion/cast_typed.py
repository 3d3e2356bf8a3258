"""Casts values that arrive as numbers, booleans or times to the declared type of their column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from include.ingestion.arrow_types import arrow_type
from include.ingestion.wrong_value import WrongValue, all_true, in_range, without, without_infinite

if TYPE_CHECKING:
    from include.config.sources import ColumnType, Infinity

#: By bits of a float: the smallest whole number that may be the result of rounding.
FIRST_ROUNDED = {16: 2**11, 32: 2**24, 64: 2**53}

#: NumPy's "not a time" (NaT), as it occurs in Parquet files that pandas did not write.
NAT = -(2**63)


def from_float(values: pa.Array, declared: ColumnType, infinity: Infinity) -> pa.Array:
    """Cast floats; refuse those whose digits are not known, unless the column is a float."""
    first_rounded = FIRST_ROUNDED[values.type.bit_width]
    values = values.cast(pa.float32() if values.type == pa.float16() else values.type)
    values = without(values, pc.is_nan(values))
    values = without_infinite(values, pc.is_inf(values), infinity)
    if declared == "float":
        return values.cast(pa.float64())
    if values.null_count == len(values):
        return pa.nulls(len(values), arrow_type(declared))
    if declared not in ("integer", "string"):
        return from_integer(values, declared)
    if not all_true(pc.equal(values, pc.floor(values))):
        if declared == "integer":
            raise WrongValue
        raise WrongValue(
            "came as a floating-point number with a fraction, so how it was written is not known",
            "deliver it as text, or declare the column as float",
        )
    if not all_true(pc.less(pc.abs(values), first_rounded)):
        raise WrongValue(
            f"came as a floating-point number of 2^{first_rounded.bit_length() - 1} or more, so its last digits may be "
            "lost",
            "deliver it as text or as an integer",
        )
    return values.cast(pa.int64()).cast(arrow_type(declared))


def from_integer(values: pa.Array, declared: ColumnType) -> pa.Array:
    """Cast integers and booleans, and floats to booleans."""
    if declared == "timestamp":
        raise WrongValue  # Arrow would count it from 1970 in an arbitrary unit
    # unlike is_in, a comparison keeps null as null and treats -0.0 as 0
    if declared == "boolean" and not pa.types.is_boolean(values.type):
        zero, one = (pa.scalar(number, values.type) for number in (0, 1))
        if not all_true(pc.or_(pc.equal(values, zero), pc.equal(values, one))):
            raise WrongValue
    return values.cast(arrow_type(declared), safe=declared != "float")


def from_time(values: pa.Array, declared: ColumnType) -> pa.Array:
    """Cast timestamps and dates."""
    if declared not in ("timestamp", "string"):
        raise WrongValue
    if pa.types.is_date(values.type):
        return in_range(values.cast(arrow_type("timestamp"))) if declared == "timestamp" else values.cast(pa.string())
    unit = values.type.unit
    values = values.cast(pa.timestamp(unit))  # a time with a zone becomes its moment in UTC
    values = without(values, pc.equal(values.cast(pa.int64()), NAT))
    if declared == "string":
        text = pc.strftime(values, format="%Y-%m-%dT%H:%M:%S")
        return pc.binary_join_element_wise(short_fraction(text), "Z", "")
    if unit == "ns":
        values = pc.floor_temporal(values, unit="microsecond")
    return in_range(values.cast(arrow_type("timestamp")))


def short_fraction(times: pa.Array) -> pa.Array:
    """Return times as text with 6 fractional digits: 9 if needed, none if all are 0."""
    times = pc.replace_substring_regex(times, r"(\.\d{3})$", r"\1000")
    times = pc.replace_substring_regex(times, r"(\.\d{6})000$", r"\1")
    return pc.replace_substring_regex(times, r"\.0+$", "")
