"""Explains a failed expectation in a clause that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core.suggestions import unknown_name
from include.validation.typed_expectation import NULL_RULES, type_word

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult

    from include.validation.arguments import Arguments

#: How many examples are shown.
SHOWN = 3

_NO_VALUE = ("None", "nan", "NaT", "<NA>", "null")


def explain(result: ExpectationValidationResult, arguments: Arguments, not_judged: str = "") -> tuple[str, str]:
    """Return the subject of a failed expectation, and the explanation.

    Parameters
    ----------
    arguments
        The expectation's arguments as they were compared; those of the result may be rounded.
    not_judged
        The explanation if it could not be judged.
    """
    name, counts = result.expectation_config.type, result.result
    subject, rule = subject_and_rule(name, arguments)
    about = subject if subject == "table" else f"column '{subject}'"
    if not_judged:
        return about, not_judged
    if "unexpected_count" in counts and "element_count" in counts:
        examples = dict.fromkeys(map(shown, counts.get("partial_unexpected_list", [])))
        found = [each for each in examples if each not in _NO_VALUE][:SHOWN]
        count, percent = counts["unexpected_count"], counts["unexpected_percent"] or 0.0
        rows = round(100 * count / percent) if percent else counts["element_count"]
        judged = "rows" if rows == counts["element_count"] else "rows that have a value"
        explanation = f"({rule or 'of all rows'}) failed for {count:,} of {rows:,} {judged} ({percent:.3g} %)"
        return about, explanation + (f", for example {', '.join(found)}" if found else "")
    return about, f"({rule}) failed{_observed(result)}" if rule else f"failed{_observed(result)}"


def why_not_judged(message: str, columns: list[str], types: dict[str, str]) -> str:
    """Return why an expectation could not be judged.

    Parameters
    ----------
    message
        The library's error.
    columns
        The columns that the expectation names.
    types
        DuckDB's type of each existing column.
    """
    for name in columns:
        if name not in types:
            return unknown_name("column", name, list(types)).split(" (known", maxsplit=1)[0]
    if "No provider found" in message or "PandasExecutionEngine" in message:
        return "Great Expectations judges it only in SQL databases; use another one, such as one with a regex"
    reason = (message.strip().splitlines() or ["no reason was given"])[0].rstrip(".")
    kinds = ", ".join(f"'{name}' is {type_word(types[name])}" for name in columns)
    return f"its rule does not fit the rows ({reason}{f'; {kinds}' if kinds else ''}); correct its arguments"


def subject_and_rule(name: str, arguments: Arguments) -> tuple[str, str]:
    """Return the columns that an expectation is about, or `table`, and its rule."""
    left = {
        each: given for each, given in arguments.items() if each not in ("batch_id", "severity") and given is not None
    }
    if left.get("ignore_row_if") in NULL_RULES.values():
        left.pop("ignore_row_if")
    if not name.startswith("expect_table_"):
        pair = [left.pop(each) for each in ("column_A", "column_B") if each in left]
        subject = left.pop("column", None) or ", ".join(left.pop("column_list", None) or pair) or "table"
    else:
        subject = "table"
    if isinstance(condition := left.get("row_condition"), dict):
        left["row_condition"] = condition.get("pass_through_filter", condition)
        left.pop("condition_parser", None)
    return subject, ", ".join(
        f"{each}={given if isinstance(given, dict) else shown(given)}" for each, given in left.items()
    )


def shown(found: Any) -> str:
    """Return a value as a person writes it: several columns with their names, and a missing value as null."""
    if isinstance(found, dict):
        return ", ".join(f"{name}={shown(each)}" for name, each in found.items())
    if isinstance(found, tuple):
        return f"({', '.join(map(shown, found))})"
    if isinstance(found, list):
        return f"[{', '.join(repr(each) if isinstance(each, str) else shown(each) for each in found)}]"
    item = getattr(found, "item", None)
    text = str(
        item() if callable(item) and not hasattr(found, "isoformat") else found
    )  # NumPy numbers become Python numbers
    return text if isinstance(found, str) or text not in _NO_VALUE else "null"


def _observed(result: ExpectationValidationResult) -> str:
    """Return the clause with the value that was observed for a column or a table as a whole."""
    counts = result.result
    if result.expectation_config.type == "expect_column_to_exist":
        return ", there is no such column"
    parts = []
    for what, listed in (("unexpected", "partial_unexpected_list"), ("missing", "partial_missing_list")):
        number, values = counts.get(f"{what}_count"), counts.get(listed) or []
        if number:
            parts.append(f"{number:,} {what}: {', '.join(map(shown, values[:SHOWN]))}{' ...' * (number > SHOWN)}")
    if parts:
        return f", {'; '.join(parts)}"
    if shown(counts.get("observed_value")) == "null":
        return ", since the observed and the expected values have none in common"
    return f", observed {shown(counts['observed_value'])}"
