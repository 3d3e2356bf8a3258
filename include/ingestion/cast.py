"""The value rules: casts a source's values to the declared type of their column, the same way for every reader.

The declared type decides, never the type that a reader inferred. However CSV, JSON, Parquet or a database writes a
value, it becomes the same value in the lake or is refused for the same reason. docs/how-to/declare-columns.md has the
rules in one table.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import SchemaMismatch
from include.ingestion.arrow_types import arrow_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.config.sources import ColumnType, Infinity

#: A number as text, without hexadecimal digits, thousands separators, decimal commas or digits of other scripts.
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
DIGITS = r"^-?[0-9]+$"
NAN = r"(?i)^[+-]?nan$"
NO_TIME = r"(?i)^(nan|nat)$"
INFINITE = r"(?i)^[+-]?inf(inity)?$"

TRUTH = dict.fromkeys(("true", "t", "yes", "y", "on"), True)
TRUTH |= dict.fromkeys(("false", "f", "no", "n", "off"), False)

#: The type of numbers that a reader passes on as written, such as 1.10 in JSON.
LITERAL = pa.json_(pa.string())

#: By bits of a float: the smallest whole number that may be the result of rounding.
FIRST_ROUNDED = {16: 2**11, 32: 2**24, 64: 2**53}

#: NumPy's "not a time" (NaT), as it occurs in Parquet files that pandas did not write.
NAT = -(2**63)

#: The range of timestamps in the lake, in microseconds since 1970: the years 1 to 9999.
FIRST_TIME, LAST_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999


#: Characters of a value that an error shows.
EXCERPT = 100


class _WrongValue(ValueError):
    """Raised for values that are not of the declared type, with the reason and the remedy."""

    def __init__(
        self, reason: str = "is not one", remedy: str = "correct the source, or the column's type in pipeline.yaml"
    ) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def cast(
    values: pa.ChunkedArray, declared: ColumnType, name: str, where: str, infinity: Infinity = "refuse"
) -> pa.ChunkedArray:
    """Return a column in its declared type.

    Parameters
    ----------
    values
        The source's values, of any Arrow type: a union if they are of several types, `LITERAL` for numbers as written.
    infinity
        Whether an infinite number is refused or becomes null.

    Raises
    ------
    SchemaMismatch
        If a value is not of the declared type; the error shows the first one.
    """
    chunks = []
    for chunk in values.chunks:
        try:
            chunks.append(_cast(chunk, declared, infinity))
        except (pa.ArrowException, ValueError) as error:
            bad, wrong = _first_wrong(chunk, declared, infinity)
            found = f"a value of type {chunk.type}" if bad is None else f"the value {bad}"
            raise SchemaMismatch(
                f"{where}: column '{name}' is declared as {declared}, and {found} {wrong.reason}; {wrong.remedy}; "
                "nothing was published"
            ) from error
    return pa.chunked_array(chunks, arrow_type(declared))


def _cast(values: pa.Array, declared: ColumnType, infinity: Infinity) -> pa.Array:
    if pa.types.is_union(values.type):
        return _cast_each(values, declared, infinity)
    if values.null_count == len(values):
        return pa.nulls(len(values), arrow_type(declared))
    values = _plain(values)
    kind = values.type
    if kind == LITERAL or pa.types.is_decimal(kind):
        return _from_text(_digits(values), declared, infinity, is_number=True)
    if pa.types.is_string(kind):
        return _from_text(values, declared, infinity)
    if pa.types.is_floating(kind):
        return _from_float(values, declared, infinity)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _from_integer(values, declared)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_time(values, declared)
    if pa.types.is_time(kind) and declared == "string":
        return _short_fraction(values.cast(pa.string()))
    raise _WrongValue


def _plain(values: pa.Array) -> pa.Array:
    """Return values without dictionary, run-end or view encoding, and UTF-8 bytes as text."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _plain(_plain(values.dictionary).take(values.indices))
    if pa.types.is_run_end_encoded(kind):
        return _plain(pc.run_end_decode(values))
    if kind == pa.uuid():  # Arrow has no cast for it
        return pa.array([value and str(value) for value in values.to_pylist()], pa.string())
    if isinstance(kind, pa.JsonType) and kind != LITERAL:
        return pa.ExtensionArray.from_storage(LITERAL, values.storage.cast(pa.string()))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    if is_bytes or pa.types.is_fixed_size_binary(kind):
        text = values.cast(pa.string())
        if pc.any(pc.match_substring(text, "\0")).as_py():
            raise _WrongValue  # numbers or a Parquet interval whose bytes happen to be UTF-8
        return text
    return values


def _cast_each(values: pa.UnionArray, declared: ColumnType, infinity: Infinity) -> pa.Array:
    """Cast the values of each type separately, and return all values in their order."""
    import numpy as np

    children = [values.field(number) for number in range(values.type.num_fields)]
    starts = np.cumsum([0, *(len(child) for child in children[:-1])])
    places = starts[np.asarray(values.type_codes)] + np.asarray(values.offsets)
    return pa.concat_arrays([_cast(child, declared, infinity) for child in children]).take(pa.array(places))


def _from_text(values: pa.Array, declared: ColumnType, infinity: Infinity, *, is_number: bool = False) -> pa.Array:
    """Cast text; `is_number` says that the source had a number with exactly these digits."""
    if declared == "string":
        return _without_words(values, infinity) if is_number else values
    values = pc.utf8_trim_whitespace(values)
    if declared in ("integer", "float"):
        return _parse_numbers(values, declared, infinity)
    values = _without(values, pc.match_substring_regex(values, NO_TIME if declared == "timestamp" else NAN))
    if declared == "boolean":
        return _each_distinct(values, _parse_boolean, pa.bool_())
    if is_number and values.null_count < len(values):
        raise _WrongValue
    return _parse_times(values)


def _parse_numbers(values: pa.Array, declared: ColumnType, infinity: Infinity) -> pa.Array:
    if not _all(pc.match_substring_regex(values, NUMBER)):
        values = _without_words(values, infinity)
        # a boolean counts as a number, however the source wrote it
        values = pc.replace_substring_regex(values, "(?i)^true$", "1")
        values = pc.replace_substring_regex(values, "(?i)^false$", "0")
        if not _all(pc.match_substring_regex(values, NUMBER)):
            raise _WrongValue
    if declared == "float":
        numbers = values.cast(pa.float64())
        return _without_infinite(numbers, pc.is_inf(numbers), infinity)
    if _all(pc.match_substring_regex(values, DIGITS)):
        return values.cast(pa.int64())
    return _each_distinct(values, _parse_integer, pa.int64())


def _without_words(values: pa.Array, infinity: Infinity) -> pa.Array:
    """Return numbers as text with null for NaN, and for infinite numbers if the contract allows null for them."""
    values = _without(values, pc.match_substring_regex(values, NAN))
    return _without_infinite(values, pc.match_substring_regex(values, INFINITE), infinity)


def _each_distinct(values: pa.Array, convert: Callable[[str], object], to: pa.DataType) -> pa.Array:
    """Convert values in Python, each distinct value once."""
    encoded = values.dictionary_encode()
    return pa.array([convert(value) for value in encoded.dictionary.to_pylist()], to).take(encoded.indices)


def _parse_integer(text: str) -> int:
    """Return the number in a text such as 7.0, +7 or 7e3, if it is a whole number of 64 bits."""
    number = Decimal(text)
    if number.adjusted() > 18 or number != number.to_integral_value() or not -(2**63) <= number < 2**63:
        raise _WrongValue
    return int(number)


def _parse_boolean(text: str) -> bool:
    if re.fullmatch(NUMBER, text) and Decimal(text) in (0, 1):
        return Decimal(text) == 1
    if text.lower() not in TRUTH:
        raise _WrongValue
    return TRUTH[text.lower()]


def _parse_times(values: pa.Array) -> pa.Array:
    """Parse ISO timestamps; one without a time zone is UTC, and digits below a microsecond are cut off."""
    values = pc.replace_substring_regex(values, r"(\.\d{6})\d+", r"\1")
    zoned = pc.match_substring_regex(values, r"(Z|:\d\d(\.\d+)?[+-]\d\d(:?\d\d)?)$")
    naive = pc.if_else(zoned, None, values).cast(pa.timestamp("us"))
    # Arrow reads +00:00 and +0000; PostgreSQL writes +00
    whole = pc.replace_substring_regex(values, r"([+-]\d\d)$", r"\1:00")
    aware = pc.if_else(zoned, whole, None).cast(arrow_type("timestamp"))
    return _in_range(pc.coalesce(aware, pc.assume_timezone(naive, "UTC")))


def _from_float(values: pa.Array, declared: ColumnType, infinity: Infinity) -> pa.Array:
    first_rounded = FIRST_ROUNDED[values.type.bit_width]
    values = values.cast(pa.float32() if values.type == pa.float16() else values.type)
    values = _without(values, pc.is_nan(values))
    values = _without_infinite(values, pc.is_inf(values), infinity)
    if declared == "float":
        return values.cast(pa.float64())
    if values.null_count == len(values):
        return pa.nulls(len(values), arrow_type(declared))
    if declared not in ("integer", "string"):
        return _from_integer(values, declared)
    if not _all(pc.equal(values, pc.floor(values))):
        if declared == "integer":
            raise _WrongValue
        raise _WrongValue(
            "came as a floating-point number with a fraction, so how it was written is not known",
            "deliver it as text, or declare the column as float",
        )
    if not _all(pc.less(pc.abs(values), first_rounded)):
        raise _WrongValue(
            f"came as a floating-point number of 2^{first_rounded.bit_length() - 1} or more, so its last digits may be "
            "lost",
            "deliver it as text or as an integer",
        )
    return values.cast(pa.int64()).cast(arrow_type(declared))


def _from_integer(values: pa.Array, declared: ColumnType) -> pa.Array:
    """Cast integers and booleans, and floats to booleans."""
    if declared == "timestamp":
        raise _WrongValue  # Arrow would count it from 1970 in an arbitrary unit
    # unlike is_in, a comparison keeps null as null and treats -0.0 as 0
    if declared == "boolean" and not pa.types.is_boolean(values.type):
        zero, one = (pa.scalar(number, values.type) for number in (0, 1))
        if not _all(pc.or_(pc.equal(values, zero), pc.equal(values, one))):
            raise _WrongValue
    return values.cast(arrow_type(declared), safe=declared != "float")


def _from_time(values: pa.Array, declared: ColumnType) -> pa.Array:
    if declared not in ("timestamp", "string"):
        raise _WrongValue
    if pa.types.is_date(values.type):
        return _in_range(values.cast(arrow_type("timestamp"))) if declared == "timestamp" else values.cast(pa.string())
    unit = values.type.unit
    values = values.cast(pa.timestamp(unit))  # a time with a zone becomes its moment in UTC
    values = _without(values, pc.equal(values.cast(pa.int64()), NAT))
    if declared == "string":
        text = pc.strftime(values, format="%Y-%m-%dT%H:%M:%S")
        return pc.binary_join_element_wise(_short_fraction(text), "Z", "")
    if unit == "ns":
        values = pc.floor_temporal(values, unit="microsecond")
    return _in_range(values.cast(arrow_type("timestamp")))


def _short_fraction(times: pa.Array) -> pa.Array:
    """Return times as text with 6 fractional digits: 9 if needed, none if all are 0."""
    times = pc.replace_substring_regex(times, r"(\.\d{3})$", r"\1000")
    times = pc.replace_substring_regex(times, r"(\.\d{6})000$", r"\1")
    return pc.replace_substring_regex(times, r"\.0+$", "")


def _in_range(times: pa.Array) -> pa.Array:
    """Refuse times outside the years 1 to 9999, which Python's dates do not cover."""
    bounds = pc.min_max(times.cast(pa.int64())).as_py()
    if bounds["min"] is not None and not FIRST_TIME <= bounds["min"] <= bounds["max"] <= LAST_TIME:
        raise _WrongValue
    return times


def _digits(numbers: pa.Array) -> pa.Array:
    """Return exact numbers as text; decimals without exponents."""
    if numbers.type == LITERAL:
        return numbers.storage
    text = numbers.cast(pa.string())
    if pc.any(pc.match_substring(text, "E")).as_py():
        return pa.array([value and f"{Decimal(value):f}" for value in text.to_pylist()], pa.string())
    return text


def _without(values: pa.Array, unwanted: pa.Array) -> pa.Array:
    """Return values with null in place of the unwanted ones."""
    return pc.if_else(unwanted, None, values) if pc.any(unwanted).as_py() else values


def _without_infinite(values: pa.Array, infinite: pa.Array, infinity: Infinity) -> pa.Array:
    if infinity == "refuse" and pc.any(infinite).as_py():
        raise _WrongValue(
            "is infinite", "correct the source, or let it be null by contract: {infinity: null} in pipeline.yaml"
        )
    return _without(values, infinite)


def _all(conditions: pa.Array) -> bool:
    """Return whether all conditions are true or null."""
    return pc.all(conditions).as_py() is not False


def _first_wrong(values: pa.Array, declared: ColumnType, infinity: Infinity) -> tuple[str | None, _WrongValue]:
    """Return the first value that is not of the declared type, as an error shows it, and its error."""
    if pa.types.is_union(values.type):
        for number in range(values.type.num_fields):
            child = values.field(number)
            if _find_wrong(child, declared, infinity):
                return _first_wrong(child, declared, infinity)
    first, count = 0, len(values)
    while count > 1:  # the first wrong value is in this range
        half = count // 2
        if _find_wrong(values.slice(first, half), declared, infinity):
            count = half
        else:
            first, count = first + half, count - half
    wrong = _find_wrong(values.slice(first, 1), declared, infinity) or _WrongValue()
    if pa.types.is_nested(values.type):
        return None, wrong
    return _format_value(values[first]), wrong


def _find_wrong(values: pa.Array, declared: ColumnType, infinity: Infinity) -> _WrongValue | None:
    try:
        _cast(values, declared, infinity)
    except _WrongValue as error:
        return error
    except (pa.ArrowException, ValueError):
        return _WrongValue()
    return None


def _format_value(value: pa.Scalar) -> str:
    try:
        text = str(value.as_py()) if value.type == LITERAL else repr(value.as_py())
    except (ValueError, OverflowError):  # Python has no such date
        text = str(value.cast(pa.string()).as_py())
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}..."
