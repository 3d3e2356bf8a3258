"""Values that a reader has as Python's, as Arrow columns that keep what each was delivered as.

A number of JSON keeps the digits it was written with, and a column with values of several types is a union of them,
so that the declared type decides what they are and not the reader.
"""

from __future__ import annotations

import json
from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from include.core.errors import SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa


#: A number of JSON with a fraction or an exponent, as it is written there, such as b"1.10". JSON has no bytes of its
#: own; a class for it would be tracked by the garbage collector, which was measured to treble the time of parsing.
Number = bytes


def parse_json(text: str | bytes) -> object:
    """Parse JSON, in which NaN and Infinity are numbers as well.

    Other numbers are int or `Number`, those two are float.

    Raises
    ------
    ValueError
        If it is no JSON, is nested too deeply, or an object has a name twice.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text))
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the name '{twice}' twice")
    return fields


_DECODER = json.JSONDecoder(parse_float=str.encode, object_pairs_hook=_fields)


def records_table(records: Sequence[dict[str, object]], where: str) -> pa.Table:
    """Return JSON records as a table of all the names that they have; objects and lists are JSON text.

    Raises
    ------
    SchemaMismatch
        If a text is not Unicode.
    """
    import pyarrow as pa

    columns = {}
    for name in dict.fromkeys(name for record in records for name in record):
        values = [record.get(name) for record in records]
        if not {dict, list}.isdisjoint(map(type, values)):
            values = [_json_text(value) if isinstance(value, dict | list) else value for value in values]
        try:
            columns[name] = to_array(values, written=Number)
        except UnicodeEncodeError as error:
            raise SchemaMismatch(
                f"{where}: column '{name}' holds text that is not Unicode (half of a surrogate pair); correct what "
                "writes it; nothing was published"
            ) from error
    return pa.table(columns)


def _json_text(value: object) -> str:
    """Return a parsed value as JSON text, in which each number has the digits that it had."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join([f"{json.dumps(name, ensure_ascii=False)}: {_json_text(value[name])}" for name in value])
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join([_json_text(each) for each in value]) + "]"
    return value.decode() if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def to_array(values: Sequence[object], written: type | None = None) -> pa.Array:
    """Return values as an Arrow array: of their type, or a union of types where they are of several.

    Parameters
    ----------
    written
        The type of the values that are numbers as they were written.

    Raises
    ------
    ValueError, TypeError, pyarrow.ArrowException
        If Arrow has no type for a value.
    """
    import pyarrow as pa

    types = dict.fromkeys(map(type, values))
    types.pop(type(None), None)
    if len(types) < 2:
        return _of_type(next(iter(types), None), values, written)
    numbers = {each: number for number, each in enumerate(types)}
    codes = [numbers.get(type(value), 0) for value in values]  # a null goes with the first type
    parts: list[list[object]] = [[] for _ in types]
    places = []
    for value, code in zip(values, codes, strict=True):
        places.append(len(parts[code]))
        parts[code].append(value)
    children = [_of_type(each, part, written) for each, part in zip(types, parts, strict=True)]
    names = [each.__name__ for each in types]
    return pa.UnionArray.from_dense(pa.array(codes, pa.int8()), pa.array(places, pa.int32()), children, names)


def _of_type(of: type | None, values: Sequence[object], written: type | None) -> pa.Array:
    """Return values of one type, or null, as an array."""
    import pyarrow as pa

    if of is written is Number:
        return _literals(_each(bytes.decode, values))
    if of is int:
        try:
            return pa.array(values, pa.int64())
        except OverflowError:
            return _literals(_each(str, values))
    if of is Decimal:
        return _literals(_each(lambda number: f"{number:f}", values))
    if of is UUID:
        return pa.array(_each(str, values), pa.string())
    if of is memoryview:  # what a driver has for bytes
        return pa.array(_each(bytes, values), pa.binary())
    if of is time and any(value.tzinfo for value in values if isinstance(value, time)):
        raise TypeError("Arrow would drop the zone of a time of day")
    return pa.array(values)


def _literals(values: Sequence[object]) -> pa.Array:
    import pyarrow as pa

    from include.ingestion.cast import LITERAL

    return pa.ExtensionArray.from_storage(LITERAL, pa.array(values, pa.string()))


def _each(convert: Callable[[object], object], values: Sequence[object]) -> list[object]:
    return [None if value is None else convert(value) for value in values]
