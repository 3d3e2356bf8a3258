"""Finds mistakes in an expectation's arguments from the types of the columns alone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from include.core.suggestions import unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa
    from great_expectations.expectations.expectation import Expectation

    #: The arguments of an expectation by name. Names and types are Great Expectations' own.
    Arguments = Mapping[str, Any]


def named_columns(expectation: Expectation) -> list[str]:
    """Return the columns that an expectation is about; none if it is about the table."""
    arguments = expectation.configuration.kwargs
    named = [arguments.get("column"), arguments.get("column_A"), arguments.get("column_B")]
    return [name for name in [*named, *(arguments.get("column_list") or [])] if name is not None]


def wrong_arguments(expectation: Expectation, columns: pa.Schema) -> str | None:
    """Return the first mistake in an expectation's arguments, or None."""
    arguments = expectation.configuration.kwargs
    for name in named_columns(expectation):
        if name not in columns.names:
            return unknown_name("column", name, columns.names)
    low, high = arguments.get("min_value"), arguments.get("max_value")
    least, most = _in_utc(low), _in_utc(high)
    if type(least) is type(most) and least is not None and least > most:
        return f"min_value ({low}) is more than max_value ({high}), so no value could meet it"
    for pattern in [arguments.get("regex"), *(arguments.get("regex_list") or [])]:
        try:
            re.compile(pattern or "")
        except re.error as error:
            return f"{pattern!r} is not a regular expression ({error}); correct it, and write it in single quotes"
    return wrong_set(expectation, columns)


def _in_utc(bound: Any) -> Any:
    """Return a bound as Great Expectations compares it: a date is its midnight, and a time without a zone is in UTC."""
    if isinstance(bound, datetime):
        return bound if bound.tzinfo else bound.replace(tzinfo=UTC)
    return datetime(bound.year, bound.month, bound.day, tzinfo=UTC) if isinstance(bound, date) else bound


def wrong_set(expectation: Expectation, columns: pa.Schema) -> str | None:
    """Return why some value of a set can never be a value of its column, or None."""
    arguments = expectation.configuration.kwargs
    sets = [("value_set", arguments.get("column"), arguments.get("value_set"))]
    pairs = arguments.get("value_pairs_set")
    if isinstance(pairs, list) and all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        for at, column in enumerate(("column_A", "column_B")):
            sets.append(("value_pairs_set", arguments.get(column), [pair[at] for pair in pairs]))
    mistakes = [
        _wrong_values(argument, values, column, columns.field(column).type)
        for argument, column, values in sets
        if isinstance(values, list) and column in columns.names
    ]
    return next(filter(None, mistakes), None)


def _wrong_values(argument: str, values: list[Any], column: str, arrow: pa.DataType) -> str | None:
    kind, fits, remedy = _kind(arrow)
    if not values:
        return f"{argument} has no values, so every row breaks it or none does; list them"
    for value in values:
        if value is None:
            return f"{argument} has a null, and no expectation judges nulls; write 'null' in quotes if it is a text"
        if not fits(value):
            found = f"the text {value!r}" if isinstance(value, str) else f"{str(value).lower()} without quotes"
            return f"{argument} has {found}, and column '{column}' holds {kind}; {remedy}"
    return None


def _kind(arrow: pa.DataType) -> tuple[str, Callable[[Any], bool], str]:
    """Return what a column holds, whether a YAML value can be one of its values, and how to write one that is not."""
    import pyarrow.types as types

    if types.is_string(arrow) or types.is_large_string(arrow):
        return "text", lambda value: isinstance(value, str), "write each text in quotes"
    if types.is_integer(arrow) or types.is_floating(arrow):
        numbers = "write each number in digits, such as 10 or 1.5"
        return "numbers", lambda value: isinstance(value, (int, float)) and not isinstance(value, bool), numbers
    if types.is_boolean(arrow):
        return "true and false", lambda value: isinstance(value, bool) or value in (0, 1), "write true or false"
    if types.is_timestamp(arrow) or types.is_date(arrow):
        return "times", _is_time, "write each time as 2024-01-31 or 2024-01-31T12:00:00Z"
    return str(arrow), lambda _: True, ""


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True
