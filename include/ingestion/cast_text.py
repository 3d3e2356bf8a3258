"""Casts text to the declared type of its column."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from include.ingestion.arrow_types import arrow_type
from include.ingestion.wrong_value import WrongValue, all_true, in_range, without, without_infinite

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


def from_text(values: pa.Array, declared: ColumnType, infinity: Infinity, *, is_number: bool = False) -> pa.Array:
    """Cast text; `is_number` says that the source had a number with exactly these digits."""
    if declared == "string":
        return _without_words(values, infinity) if is_number else values
    values = pc.utf8_trim_whitespace(values)
    if declared in ("integer", "float"):
        return _parse_numbers(values, declared, infinity)
    values = without(values, pc.match_substring_regex(values, NO_TIME if declared == "timestamp" else NAN))
    if declared == "boolean":
        return _each_distinct(values, _parse_boolean, pa.bool_())
    if is_number and values.null_count < len(values):
        raise WrongValue
    return _parse_times(values)


def _parse_numbers(values: pa.Array, declared: ColumnType, infinity: Infinity) -> pa.Array:
    if not all_true(pc.match_substring_regex(values, NUMBER)):
        values = _without_words(values, infinity)
        # a boolean counts as a number, however the source wrote it
        values = pc.replace_substring_regex(values, "(?i)^true$", "1")
        values = pc.replace_substring_regex(values, "(?i)^false$", "0")
        if not all_true(pc.match_substring_regex(values, NUMBER)):
            raise WrongValue
    if declared == "float":
        numbers = values.cast(pa.float64())
        return without_infinite(numbers, pc.is_inf(numbers), infinity)
    if all_true(pc.match_substring_regex(values, DIGITS)):
        return values.cast(pa.int64())
    return _each_distinct(values, _parse_integer, pa.int64())


def _without_words(values: pa.Array, infinity: Infinity) -> pa.Array:
    """Return numbers as text with null for NaN, and for infinite numbers if the contract allows null for them."""
    values = without(values, pc.match_substring_regex(values, NAN))
    return without_infinite(values, pc.match_substring_regex(values, INFINITE), infinity)


def _each_distinct(values: pa.Array, convert: Callable[[str], object], to: pa.DataType) -> pa.Array:
    """Convert values in Python, each distinct value once."""
    encoded = values.dictionary_encode()
    return pa.array([convert(value) for value in encoded.dictionary.to_pylist()], to).take(encoded.indices)


def _parse_integer(text: str) -> int:
    """Return the number in a text such as 7.0, +7 or 7e3, if it is a whole number of 64 bits."""
    number = Decimal(text)
    if number.adjusted() > 18 or number != number.to_integral_value() or not -(2**63) <= number < 2**63:
        raise WrongValue
    return int(number)


def _parse_boolean(text: str) -> bool:
    if re.fullmatch(NUMBER, text) and Decimal(text) in (0, 1):
        return Decimal(text) == 1
    if text.lower() not in TRUTH:
        raise WrongValue
    return TRUTH[text.lower()]


def _parse_times(values: pa.Array) -> pa.Array:
    """Parse ISO timestamps; one without a time zone is UTC, and digits below a microsecond are cut off."""
    values = pc.replace_substring_regex(values, r"(\.\d{6})\d+", r"\1")
    zoned = pc.match_substring_regex(values, r"(Z|:\d\d(\.\d+)?[+-]\d\d(:?\d\d)?)$")
    naive = pc.if_else(zoned, None, values).cast(pa.timestamp("us"))
    # Arrow reads +00:00 and +0000; PostgreSQL writes +00
    whole = pc.replace_substring_regex(values, r"([+-]\d\d)$", r"\1:00")
    aware = pc.if_else(zoned, whole, None).cast(arrow_type("timestamp"))
    return in_range(pc.coalesce(aware, pc.assume_timezone(naive, "UTC")))
