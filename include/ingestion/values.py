"""Converts Python values of a reader to Arrow columns that keep each value as the source wrote it.

A JSON number keeps its digits, and a column with values of several types becomes a union of these types. So the
declared type decides what a value is, not the reader.
"""

from __future__ import annotations

import json
from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from include.core.errors import SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa


#: A JSON number with a fraction or an exponent, as written, such as b"1.10". JSON itself has no bytes. A class of our
#: own would be tracked by the garbage collector, which tripled the time of parsing when measured.
Number = bytes


#: A JSON record of a source: its values by the names of its fields. The declared types decide what a value is.
Record = dict[str, object]


def parse_json(text: str | bytes) -> object:
    """Parse JSON, and accept NaN and Infinity as numbers.

    NaN and Infinity become float; other numbers become int or `Number`.

    Raises
    ------
    ValueError
        If the text is not JSON, is nested too deeply, or has an object with the same name twice.
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


def records_table(records: Sequence[Record], where: str) -> pa.Table:
    """Return JSON records as a table with all of their names; objects and lists become JSON text.

    Raises
    ------
    SchemaMismatch
        If a text is not valid Unicode.
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
    """Return a parsed value as JSON text; each number keeps its digits."""
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
    """Return values as an Arrow array of their type, or as a union if they are of several types.

    Parameters
    ----------
    written
        The type that stands for numbers as written; see `Number`.

    Raises
    ------
    ValueError, TypeError, pyarrow.ArrowException
        If Arrow has no type for a value.
    """
    import pyarrow as pa

    types = dict.fromkeys(map(type, values))
    types.pop(type(None), None)
    if len(types) < 2:
        return _array_of_type(next(iter(types), None), values, written)
    numbers = {each: number for number, each in enumerate(types)}
    codes = [numbers.get(type(value), 0) for value in values]  # a null gets the first type
    parts: list[list[object]] = [[] for _ in types]
    places = []
    for value, code in zip(values, codes, strict=True):
        places.append(len(parts[code]))
        parts[code].append(value)
    children = [_array_of_type(each, part, written) for each, part in zip(types, parts, strict=True)]
    names = [each.__name__ for each in types]
    return pa.UnionArray.from_dense(pa.array(codes, pa.int8()), pa.array(places, pa.int32()), children, names)


def _array_of_type(kind: type | None, values: Sequence[object], written: type | None) -> pa.Array:
    """Return values of one type, with nulls, as an array."""
    import pyarrow as pa

    if kind is written is Number:
        return _literals(_each(bytes.decode, values))
    if kind is int:
        try:
            return pa.array(values, pa.int64())
        except OverflowError:
            return _literals(_each(str, values))
    if kind is Decimal:
        return _literals(_each(lambda number: f"{number:f}", values))
    if kind is UUID:
        return pa.array(_each(str, values), pa.string())
    if kind is memoryview:  # some drivers return bytes as memoryview
        return pa.array(_each(bytes, values), pa.binary())
    if kind is time and any(value.tzinfo for value in values if isinstance(value, time)):
        raise TypeError("Arrow would drop the zone of a time of day")
    return pa.array(values)


def _literals(values: Sequence[object]) -> pa.Array:
    import pyarrow as pa

    from include.ingestion.cast import LITERAL

    return pa.ExtensionArray.from_storage(LITERAL, pa.array(values, pa.string()))


def _each(convert: Callable[[Any], object], values: Sequence[object]) -> list[object]:
    return [None if value is None else convert(value) for value in values]
