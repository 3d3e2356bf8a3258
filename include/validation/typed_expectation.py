"""Fit: an expectation in the terms of the columns it is about, so that the same rule means the same on every day.

Great Expectations makes a float of an integer, compares times without a zone with none that have one, and knows the
types of a frame, which depend on whether a day has a null. What a null means differs between its expectations.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from include.profiling.rows import INTEGERS

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_TIMES = ["timestamp", "timestamptz", "datetime", "datetime64", "datetimetzdtype"]
_TIMES += [f"datetime64[{unit}{zone}]" for unit in ("s", "ms", "us", "ns") for zone in ("", ", utc")]

#: The names that a type of DuckDB has elsewhere, in lower case: in pipeline.yaml (the first), Python, pandas and SQL.
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

#: Where an expectation on several columns does not say so, a row in which one of them is null is not judged.
NULL_RULES = {"both_values_are_missing": "either_value_is_missing", "all_values_are_missing": "any_value_is_missing"}


def keep_integers(expectation: Expectation, arguments: dict[str, Any]) -> Expectation:
    """Return an expectation with the integers it was given, which beyond 2^53 are others once they are floats."""
    exact = {
        name: given
        for name, given in arguments.items()
        if isinstance(given, int) and not isinstance(given, bool) and isinstance(getattr(expectation, name), float)
    }
    return expectation.copy(update=exact) if exact else expectation


def fit(expectation: Expectation, types: dict[str, str]) -> Expectation:
    """Return an expectation with its bounds and sets of the types of its columns, and the rule for nulls.

    Parameters
    ----------
    types
        DuckDB's type of each column.
    """
    kwargs = expectation.configuration.kwargs
    kind = types.get(kwargs.get("column") or "", "")
    fitted: dict[str, Any] = {}
    for name in ("min_value", "max_value"):
        if name in kwargs:
            fitted[name] = _of_kind(kwargs[name], kind)
    if isinstance(kwargs.get("value_set"), list):
        fitted["value_set"] = [_of_kind(each, kind) for each in kwargs["value_set"]]
    if isinstance(kwargs.get("value_pairs_set"), list):
        pair = [types.get(kwargs[name], "") for name in ("column_A", "column_B")]
        fitted["value_pairs_set"] = [
            tuple(_of_kind(each, its) for each, its in zip(values, pair, strict=True))
            for values in kwargs["value_pairs_set"]
        ]
    if "ignore_row_if" not in expectation.__fields_set__ and hasattr(expectation, "ignore_row_if"):
        fitted["ignore_row_if"] = NULL_RULES.get(expectation.ignore_row_if, expectation.ignore_row_if)
    return expectation.copy(update=fitted) if fitted else expectation


def is_named(kind: str, name: str) -> bool:
    """Return whether a type of DuckDB has a name."""
    known = {kind.lower(), kind.partition("(")[0].lower(), *_TYPE_NAMES.get(kind, [])}
    return name.strip().lower() in known


def type_word(kind: str) -> str:
    """Return the word of pipeline.yaml for a type of DuckDB, where it has one."""
    return _TYPE_NAMES.get(kind, [kind.lower()])[0]


def _of_kind(constant: Any, kind: str) -> Any:
    """Return a bound or a member of a set as the value of a column; what cannot be one stays as it is."""
    if kind in INTEGERS and isinstance(constant, float) and constant.is_integer():
        return int(constant)
    if kind.startswith("TIMESTAMP") and (moment := _moment(constant)) is not None:
        return moment if kind != "TIMESTAMP" else moment.replace(tzinfo=None)
    if kind == "DATE" and (moment := _moment(constant)) is not None:
        return moment.date()
    return constant


def _moment(constant: Any) -> datetime | None:
    """Return a time, or the midnight that a date begins with, in UTC; what has no zone is in UTC."""
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
