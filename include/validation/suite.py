"""Reads and checks expectation suites: YAML files with Great Expectations' own names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from include.core.errors import ConfigError
from include.core.suggestions import unknown_name
from include.core.yaml_file import not_a_number, read_yaml
from include.validation.arguments import wrong_set
from include.validation.typed_expectation import keep_integers

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from great_expectations.expectations.expectation import Expectation

    from include.validation.arguments import Arguments

#: The largest suite in bytes: a set may have many values, and Airflow reads no suite while it parses DAGs.
MAX_BYTES = 20_000_000

#: Arguments that are a number or a time; and those that are a text or a list of texts.
_NUMBERS = ("min_value", "max_value", "value", "mostly", "threshold", "sum_total", "column_index")
_TEXTS = {
    *("column", "column_A", "column_B", "column_list", "column_set", "regex", "regex_list", "type_", "type_list"),
    *("like_pattern", "like_pattern_list", "strftime_format", "row_condition"),
}
#: Arguments that are a value or a list.
_PLAIN = {
    *("column", "column_A", "column_B", "column_list", "column_set", "value", "value_set", "value_pairs_set", "mostly"),
    *("min_value", "max_value", "strict_min", "strict_max", "regex", "regex_list", "type_", "type_list", "severity"),
}


@dataclass(frozen=True)
class SuiteItem:
    """One expectation of a suite's file.

    Attributes
    ----------
    where
        Its file, line and number, which begin a sentence about it.
    """

    expectation: Expectation
    where: str


def suite_path(folder: Path, name: str) -> Path:
    """Return the path of the suite of a source, or of the `features`."""
    return folder / "expectations" / f"{name}.yaml"


def load_suite(folder: Path, name: str, columns: pa.Schema | None = None) -> list[Expectation]:
    """Read the expectations of a source, or of the `features`; return none if there is no such file.

    Parameters
    ----------
    columns
        The columns of the rows, to check the values of sets by their types; None if they are unknown.

    Raises
    ------
    ConfigError
        With every mistake of the file, one sentence a line.
    """
    items, mistakes = read_items(suite_path(folder, name))
    for item in items if columns is not None else []:
        wrong = wrong_set(item.expectation, columns)
        mistakes += [f"{item.where}: {item.expectation.expectation_type}: {wrong}"] if wrong else []
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return [item.expectation for item in items]


def read_items(path: Path) -> tuple[list[SuiteItem], list[str]]:
    """Read a suite's file; return its expectations with their places, and the mistakes of the file."""
    shown = f"{path.parent.parent.name}/expectations/{path.name}"
    if not path.exists() and not path.is_symlink():
        return [], []
    try:
        file = read_yaml(path, shown, MAX_BYTES)
    except ConfigError as error:
        return [], str(error).splitlines()
    fields = file.data if isinstance(file.data, dict) else {}
    listed = fields.get("expectations")
    if not isinstance(listed, list) or set(fields) != {"expectations"}:
        return [], [f"{shown}: expected one field, `expectations:`, with a list below it"]
    items, mistakes = [], []
    for position, item in enumerate(listed):
        where = f"{shown}:{file.line(('expectations', position))}: expectation {position + 1}"
        try:
            items.append(SuiteItem(_expectation(item), where))
        except (TypeError, ValueError) as error:
            mistakes.append(f"{where}: {error}")
    return items, mistakes


@cache
def _known() -> dict[str, str]:
    """Return the names of Great Expectations' classes, by the names in a suite."""
    import great_expectations.expectations as gxe

    classes = [each for each in dir(gxe) if each.startswith("Expect") and each != "Expectation"]
    # Great Expectations writes "kl" for the divergence; "k_l", as older suites have it, stays readable
    own = {getattr(gxe, each).expectation_type: each for each in classes}
    return {_snake(each): each for each in classes} | own


def _expectation(item: Any) -> Expectation:
    """Make the expectation of `name: {argument: value}`; a ValueError names the mistake."""
    import great_expectations.expectations as gxe

    if not (isinstance(item, dict) and len(item) == 1):
        raise ValueError("expected `name: {column: ..., ...}`, such as expect_column_values_to_not_be_null")
    name, arguments = next(iter(item.items()))
    known = _known()
    if name not in known:
        near = unknown_name("expectation", name, list(known)).split(" (known", maxsplit=1)[0]
        raise ValueError(f"{near} (the names are Great Expectations' own)")
    if not isinstance(arguments, dict):
        raise TypeError(f"{name}: expected its arguments as `argument: value`, found {arguments!r}")
    odd = [
        f"{each}: found {value!r}" for each, value in arguments.items() if isinstance(value, dict) and each in _PLAIN
    ]
    if odd:  # Great Expectations would take it for the name of a parameter
        raise TypeError(f"{name}: {odd[0]}, and no fields are expected below it")
    for each, value in arguments.items():
        if problem := not_a_number(value) if each in _NUMBERS else _not_a_text(value) if each in _TEXTS else None:
            raise TypeError(f"{name}: {each}: {problem}")
    try:
        return keep_integers(getattr(gxe, known[name])(**arguments), arguments)
    except Exception as error:
        raise ValueError(f"{name}: {_problems(error, arguments)}") from error


def _not_a_text(value: Any) -> str | None:
    """Return the mistake in a value that must be a text or a list of texts, or None."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, int | float):  # bool is a subclass of int
            return f"expected text, found {str(each).lower()}; write it in quotes"
    return None


def _problems(error: Exception, arguments: Arguments) -> str:
    """Return Great Expectations' errors on arguments: its own, or those of pydantic 1, which it uses."""
    errors = getattr(error, "errors", None)
    if not callable(errors):
        return str(error)
    problems: dict[str, str] = {}
    for each in errors():
        problems.setdefault(".".join(map(str, each["loc"])), each["msg"])
    if len(problems) > 1:
        problems.pop("__root__", None)  # it only follows from the others
    return "; ".join(
        f"{place}: {problem}" + (f", found {arguments[place]!r}" if place in arguments else "")
        for place, problem in problems.items()
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
