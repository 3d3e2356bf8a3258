"""SQL conditions of expectations on single rows, each only where DuckDB and pandas judge alike.

The functions on one column return the condition of a value that breaks the expectation; those on several columns
return the condition of a row that meets it. All return None where pandas must judge.
"""

from __future__ import annotations

from datetime import date, datetime
from itertools import combinations
from typing import TYPE_CHECKING, Any

from include.core.sql_text import literal, literals
from include.profiling.rows import INTEGERS, NUMBERS, value

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

    from include.validation.arguments import Arguments


def between(column: str, arguments: Arguments, kind: str) -> str | None:
    """Return the condition of a value outside `min_value` and `max_value`."""
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if not all(has_type(each, kind) for each in (low, high) if each is not None):
        return None
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        return None  # Great Expectations refuses these in its own words
    return _outside(column, low, high, arguments)


def in_set(column: str, arguments: Arguments, kind: str) -> str | None:
    """Return the condition of a value that is not in `value_set`."""
    members = _members(arguments.get("value_set"), kind)
    return f"({column}) NOT IN ({members})" if members else None


def not_in_set(column: str, arguments: Arguments, kind: str) -> str | None:
    """Return the condition of a value that is in `value_set`."""
    members = _members(arguments.get("value_set"), kind)
    return f"({column}) IN ({members})" if members else None


def length_between(column: str, arguments: Arguments, kind: str) -> str | None:
    """Return the condition of a text that is shorter than `min_value` or longer than `max_value`."""
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if kind != "VARCHAR" or (low is None and high is None):
        return None
    return _outside(f"length({column})", low, high, arguments)


def length_equals(column: str, arguments: Arguments, kind: str) -> str | None:
    """Return the condition of a text that has another length than `value`."""
    return f"length({column}) <> {literal(arguments['value'])}" if kind == "VARCHAR" else None


def match_regex(column: str, arguments: Arguments, kind: str) -> str | None:
    """Return the condition of a text that does not match `regex`."""
    matches = not_match_regex(column, arguments, kind)
    return f"NOT {matches}" if matches else None


def not_match_regex(column: str, arguments: Arguments, kind: str) -> str | None:
    """Return the condition of a text that matches `regex`."""
    pattern = _common_pattern(arguments["regex"])
    if kind != "VARCHAR" or pattern is None:
        return None
    return f"regexp_matches({column}, {literal(pattern)})"


def equal(columns: list[str], kinds: list[str], arguments: Arguments) -> str | None:
    """Return the condition of a row whose columns are all equal."""
    first, *others = columns
    return " AND ".join(f"({first}) = ({other})" for other in others) if _comparable(kinds) else None


def greater(columns: list[str], kinds: list[str], arguments: Arguments) -> str | None:
    """Return the condition of a row whose first column is greater than its second."""
    sign = ">=" if arguments.get("or_equal") else ">"
    return f"({columns[0]}) {sign} ({columns[1]})" if _comparable(kinds) else None


def sum_equals(columns: list[str], kinds: list[str], arguments: Arguments) -> str | None:
    """Return the condition of a row whose columns add up to `sum_total`."""
    total = arguments.get("sum_total")
    if not all(map(is_number, kinds)) or not isinstance(total, (int, float)):
        return None
    # a sum of small integers may overflow their type; a null adds nothing, as in pandas
    wide = "HUGEINT" if all(kind in INTEGERS for kind in kinds) else "DOUBLE"
    return f"{' + '.join(f'coalesce(({each})::{wide}, 0)' for each in columns)} = {literal(total)}"


def all_different(columns: list[str], kinds: list[str], arguments: Arguments) -> str | None:
    """Return the condition of a row in which no two columns are equal."""
    if not _comparable(kinds):
        return None
    return " AND ".join(f"({one}) IS DISTINCT FROM ({other})" for one, other in combinations(columns, 2)) or "true"


def is_number(kind: str) -> bool:
    """Return whether a type of DuckDB is a number."""
    return kind in NUMBERS or kind.startswith("DECIMAL")


def is_time(kind: str) -> bool:
    """Return whether a type of DuckDB is a date or a timestamp."""
    return kind == "DATE" or kind.startswith("TIMESTAMP")


def has_type(constant: Any, kind: str) -> bool:
    """Return whether a constant has the column's own type, so that SQL and pandas compare them alike."""
    if kind == "VARCHAR":
        return isinstance(constant, str)
    if kind == "DATE":
        return isinstance(constant, date) and not isinstance(constant, datetime)
    if kind.startswith("TIMESTAMP"):
        return isinstance(constant, datetime)
    return is_number(kind) and isinstance(constant, (int, float)) and not isinstance(constant, bool)


def _outside(column: str, low: Any, high: Any, arguments: Arguments) -> str:
    breaks = []
    if low is not None:
        breaks.append(f"({column}) {'<=' if arguments.get('strict_min') else '<'} {literal(low)}")
    if high is not None:
        breaks.append(f"({column}) {'>=' if arguments.get('strict_max') else '>'} {literal(high)}")
    return " OR ".join(breaks)


def _members(value_set: Any, kind: str) -> str | None:
    """Return a set as SQL if all its values have the column's type, else None."""
    values = list(value_set or [])
    return literals(values) if values and all(has_type(each, kind) for each in values) else None


def _comparable(kinds: list[str]) -> bool:
    """Return whether SQL and pandas compare columns of these types alike."""
    return len(set(kinds)) == 1 or all(map(is_number, kinds)) or all(each.startswith("TIMESTAMP") for each in kinds)


def _common_pattern(pattern: str) -> str | None:
    r"""Return a pattern that DuckDB's RE2 matches just as Python does, or None where the two may differ.

    They differ in classes such as \d, which include more than ASCII in Python, in groups that begin with (?, and in
    $, which in Python also matches before a final newline.
    """
    ends = pattern.endswith("$") and not pattern.endswith("\\$")
    body = pattern[:-1] if ends else pattern
    if "(?" in body or "$" in body or "[[" in body or "[^" in body or "{," in body or not body.isascii():
        return None
    escaped = {body[at + 1] for at, character in enumerate(body[:-1]) if character == "\\"}
    if any(character.isalnum() for character in escaped) or body.endswith("\\"):
        return None
    return f"{body}\\n?\\z" if ends else body


def judged_rows(expectation: Expectation, names: list[str], types: dict[str, str]) -> str:
    """Return the condition of a row that is judged, which depends on the columns that are null in it."""
    ignored = expectation.dict()["ignore_row_if"]
    not_null = [f"({value(name, types)}) IS NOT NULL" for name in names]
    if ignored in ("never", "neither"):
        return "true"
    return "(" + (" AND " if ignored.startswith(("any", "either")) else " OR ").join(not_null) + ")"


def is_number_or_time(kind: str) -> bool:
    """Return whether values of a type of DuckDB are numbers or times."""
    return is_number(kind) or is_time(kind)


def is_countable(kind: str) -> bool:
    """Return whether DuckDB and pandas count the same distinct values of a type."""
    return is_number_or_time(kind) or kind in ("VARCHAR", "BOOLEAN")
