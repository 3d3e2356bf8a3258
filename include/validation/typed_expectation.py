"""Gives an expectation the types of its columns, so that a rule means the same on every day.

Great Expectations turns an integer into a float, cannot compare a time that has a zone with one that has none, and
goes by the types of a frame, which depend on whether a day has a null. Its expectations also differ in what a null
means.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from include.profiling.rows import INTEGERS

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

    from include.validation.arguments import Arguments

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_TIMES = ["timestamp", "timestamptz", "datetime", "datetime64", "datetimetzdtype"]
_TIMES += [f"datetime64[{unit}{zone}]" for unit in ("s", "ms", "us", "ns") for zone in ("", ", utc")]

#: Other names of DuckDB's types, in lower case: first that of pipeline.yaml, then those of Python, pandas and SQL.
_TYPE_NAMES: dict[str, list[str]] = {
    **{kind: ["integer", "int", f"int{bits}", f"int{bits}dtype"] for kind, bits in _BITS.items()},
    **{f"U{kind}": ["integer", "int", f"uint{bits}", f"uint{bits}dtype"] for kind, bits in _BITS.items()},
    "DOUBLE": ["float", "float64", "float_", "float64dtype"],
    "FLOAT": ["float", "float32", "float32dtype", "real"],
    "VARCHAR": ["string", "str", "text", "object", "stringdtype"],
    "BOOLEAN": ["boolean", "bool", "bool_", "booleandtype"],
    "TIMESTAMP": _TIMES,
    "TIMESTAMP WITH TIME ZONE": _TIMES,
}

#: The default for an expectation on several columns: a row in which one of them is null is not judged.
NULL_RULES = {"both_values_are_missing": "either_value_is_missing", "all_values_are_missing": "any_value_is_missing"}


def keep_integers(expectation: Expectation, arguments: Arguments) -> Expectation:
    """Return an expectation with the integers of its file, since a float changes those beyond 2^53."""
    exact = {
        name: given
        for name, given in arguments.items()
        if isinstance(given, int) and not isinstance(given, bool) and isinstance(getattr(expectation, name), float)
    }
    return expectation.copy(update=exact) if exact else expectation


def with_column_types(expectation: Expectation, types: dict[str, str]) -> Expectation:
    """Return an expectation whose bounds and sets have the types of its columns, and whose rule for nulls is set.

    Parameters
    ----------
    types
        DuckDB's type of each column.
    """
    kwargs = expectation.configuration.kwargs
    kind = types.get(kwargs.get("column") or "", "")
    typed: dict[str, object] = {}
    for name in ("min_value", "max_value"):
        if name in kwargs:
            typed[name] = _as_type(kwargs[name], kind)
    if isinstance(kwargs.get("value_set"), list):
        typed["value_set"] = [_as_type(each, kind) for each in kwargs["value_set"]]
    if isinstance(kwargs.get("value_pairs_set"), list):
        pair = [types.get(kwargs[name], "") for name in ("column_A", "column_B")]
        typed["value_pairs_set"] = [
            tuple(_as_type(each, its) for each, its in zip(values, pair, strict=True))
            for values in kwargs["value_pairs_set"]
        ]
    if "ignore_row_if" not in expectation.__fields_set__ and hasattr(expectation, "ignore_row_if"):
        typed["ignore_row_if"] = NULL_RULES.get(expectation.ignore_row_if, expectation.ignore_row_if)
    return expectation.copy(update=typed) if typed else expectation


def has_type_name(kind: str, name: str) -> bool:
    """Return whether a name stands for a type of DuckDB."""
    known = {kind.lower(), kind.partition("(")[0].lower(), *_TYPE_NAMES.get(kind, [])}
    return name.strip().lower() in known


def type_word(kind: str) -> str:
    """Return the word of pipeline.yaml for a type of DuckDB, or the type itself if there is none."""
    return _TYPE_NAMES.get(kind, [kind.lower()])[0]


def _as_type(constant: Any, kind: str) -> Any:
    """Convert a bound or a member of a set to a column's type; return it unchanged if that is impossible."""
    if kind in INTEGERS and isinstance(constant, float) and constant.is_integer():
        return int(constant)
    if kind.startswith("TIMESTAMP") and (moment := _moment(constant)) is not None:
        return moment if kind != "TIMESTAMP" else moment.replace(tzinfo=None)
    if kind == "DATE" and (moment := _moment(constant)) is not None:
        return moment.date()
    return constant


def _moment(constant: Any) -> datetime | None:
    """Return a time, or a date's midnight, in UTC; one without a zone already is in UTC."""
    if isinstance(constant, str):
        try:
            constant = datetime.fromisoformat(constant)
        except ValueError:
            return None
    if isinstance(constant, date) and not isinstance(constant, datetime):
        constant = datetime.combine(constant, time())
    if not isinstance(constant, datetime):
        return None
    return constant.astimezone(UTC) if constant.tzinfo else constant.replace(tzinfo=UTC)
