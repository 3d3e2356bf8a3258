"""Expectation suites: YAML files with Great Expectations' own names, read and checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from include.catalog import LOADER, YAML_ERRORS, not_yaml
from include.errors import ConfigError
from include.validation.fit import keep_integers
from include.wording import unknown

if TYPE_CHECKING:
    from pathlib import Path

    from great_expectations.expectations.expectation import Expectation


def suite_path(folder: Path, name: str) -> Path:
    """Return where a pipeline keeps the suite of a source, or of its `features`."""
    return folder / "expectations" / f"{name}.yaml"


def load_suite(folder: Path, name: str) -> list[Expectation]:
    """Read the expectations of a source, or of the `features`; none where there is no such file.

    Raises
    ------
    ConfigError
        With every mistake of the file, a sentence a line.
    """
    expectations, mistakes = read_suite(suite_path(folder, name))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return expectations


def read_suite(path: Path) -> tuple[list[Expectation], list[str]]:
    """Read a suite's file and return its expectations with all that is wrong with it."""
    shown = f"{path.parent.parent.name}/expectations/{path.name}"
    if not path.is_file():
        return [], []
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506  the safe one, in C
    except YAML_ERRORS as error:
        return [], [not_yaml(shown, error)]
    items = data.get("expectations") if isinstance(data, dict) else None
    if not isinstance(items, list) or set(data) != {"expectations"}:
        return [], [f"{shown}: expected one field, `expectations:`, with a list below it"]
    expectations, mistakes = [], []
    for position, item in enumerate(items, start=1):
        try:
            expectations.append(_expectation(item))
        except (TypeError, ValueError) as error:
            mistakes.append(f"{shown}: expectation {position}: {error}")
    return expectations, mistakes


def _expectation(item: Any) -> Expectation:
    """Make one expectation of `name: {argument: value}`; a ValueError says what is wrong."""
    import great_expectations.expectations as gxe

    if not (isinstance(item, dict) and len(item) == 1):
        raise ValueError("expected `name: {column: ..., ...}`, such as expect_column_values_to_not_be_null")
    name, arguments = next(iter(item.items()))
    known = {_snake(each): each for each in dir(gxe) if each.startswith("Expect")}
    if name not in known:
        near = unknown("expectation", str(name), list(known)).split(" (known", maxsplit=1)[0]
        raise ValueError(f"{near} (the names are Great Expectations' own)")
    if not isinstance(arguments, dict):
        raise TypeError(f"{name}: expected its arguments as `argument: value`, found {arguments!r}")
    try:
        return keep_integers(getattr(gxe, known[name])(**arguments), arguments)
    except Exception as error:
        # GX raises its pydantic's errors, of a version that differs from ours, and some of its own
        errors = getattr(error, "errors", None)
        if callable(errors):
            told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in errors())
        else:
            told = str(error)
        raise ValueError(f"{name}: {told}") from error


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
