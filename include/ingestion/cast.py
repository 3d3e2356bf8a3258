"""The value rules: casts a source's values to the declared type of their column, the same way for every reader.

The declared type decides, never the type that a reader inferred. However CSV, JSON, Parquet or a database writes a
value, it becomes the same value in the lake or is refused for the same reason. docs/how-to/declare-columns.md has the
rules in one table.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import SchemaMismatch
from include.ingestion.arrow_types import arrow_type
from include.ingestion.cast_text import from_text
from include.ingestion.cast_typed import from_float, from_integer, from_time, short_fraction
from include.ingestion.wrong_value import WrongValue

if TYPE_CHECKING:
    from include.config.sources import ColumnType, Infinity

#: The type of numbers that a reader passes on as written, such as 1.10 in JSON.
LITERAL = pa.json_(pa.string())

#: Characters of a value that an error shows.
EXCERPT = 100


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
        return from_text(_digits(values), declared, infinity, is_number=True)
    if pa.types.is_string(kind):
        return from_text(values, declared, infinity)
    if pa.types.is_floating(kind):
        return from_float(values, declared, infinity)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return from_integer(values, declared)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return from_time(values, declared)
    if pa.types.is_time(kind) and declared == "string":
        return short_fraction(values.cast(pa.string()))
    raise WrongValue


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
            raise WrongValue  # numbers or a Parquet interval whose bytes happen to be UTF-8
        return text
    return values


def _cast_each(values: pa.UnionArray, declared: ColumnType, infinity: Infinity) -> pa.Array:
    """Cast the values of each type separately, and return all values in their order."""
    import numpy as np

    children = [values.field(number) for number in range(values.type.num_fields)]
    starts = np.cumsum([0, *(len(child) for child in children[:-1])])
    places = starts[np.asarray(values.type_codes)] + np.asarray(values.offsets)
    return pa.concat_arrays([_cast(child, declared, infinity) for child in children]).take(pa.array(places))


def _digits(numbers: pa.Array) -> pa.Array:
    """Return exact numbers as text; decimals without exponents."""
    if numbers.type == LITERAL:
        return numbers.storage
    text = numbers.cast(pa.string())
    if pc.any(pc.match_substring(text, "E")).as_py():
        return pa.array([value and f"{Decimal(value):f}" for value in text.to_pylist()], pa.string())
    return text


def _first_wrong(values: pa.Array, declared: ColumnType, infinity: Infinity) -> tuple[str | None, WrongValue]:
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
    wrong = _find_wrong(values.slice(first, 1), declared, infinity) or WrongValue()
    if pa.types.is_nested(values.type):
        return None, wrong
    return _format_value(values[first]), wrong


def _find_wrong(values: pa.Array, declared: ColumnType, infinity: Infinity) -> WrongValue | None:
    try:
        _cast(values, declared, infinity)
    except WrongValue as error:
        return error
    except (pa.ArrowException, ValueError):
        return WrongValue()
    return None


def _format_value(value: pa.Scalar) -> str:
    try:
        text = str(value.as_py()) if value.type == LITERAL else repr(value.as_py())
    except (ValueError, OverflowError):  # Python has no such date
        text = str(value.cast(pa.string()).as_py())
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}..."
