"""Finds and reads the folders of pipelines; each mistake is reported with file, line and field."""

from __future__ import annotations

import os
import re
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import ValidationError

from include.config.pipeline import Pipeline
from include.config.sources import SOURCE_KINDS, BaseSource, ColumnType, declared_type
from include.core import settings
from include.core.errors import ConfigError
from include.core.names import MAX_PIPELINE_NAME
from include.core.suggestions import unknown_name
from include.core.yaml_file import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from include.core.yaml_file import YamlFile

#: Mistakes listed per file; a file that is not a pipeline.yaml has thousands.
MISTAKES = 100
#: Characters of a wrong value that a mistake shows.
SHOWN_CHARACTERS = 300


def pipeline_names() -> list[str]:
    """Return the sorted names of folders with a pipeline.yaml, including folders that cannot be read."""
    try:
        folders = list(settings.pipelines_folder().iterdir())
    except FileNotFoundError:
        return []
    return sorted(folder.name for folder in folders if _is_pipeline(folder))


def load_pipeline(name: str) -> Pipeline:
    """Read one pipeline's folder.

    Raises
    ------
    ConfigError
        If pipeline.yaml has mistakes; the error lists each on its own line.
    """
    folder = settings.pipelines_folder() / name
    if not _is_pipeline(folder):
        raise ConfigError(f"{folder} holds no pipeline.yaml; {unknown_name('pipeline', name, pipeline_names())}")
    pipeline, mistakes = read_pipeline(folder)
    if mistakes or pipeline is None:
        raise ConfigError("\n".join(mistakes))
    return pipeline


def _is_pipeline(folder: Path) -> bool:
    """Return whether a folder is meant to be a pipeline, even if it is a broken link."""
    if folder.name.startswith("."):
        return False
    try:
        files = [folder / "pipeline.yaml", folder / "pipeline.yml"]
        return any(file.is_symlink() or file.exists() for file in files) or (
            folder.is_symlink() and not folder.exists()
        )
    except OSError:  # no permission to read the folder
        return True


def read_pipeline(folder: Path) -> tuple[Pipeline | None, list[str]]:
    """Return the pipeline of a folder, or None, and the mistakes in its pipeline.yaml."""
    path = folder / "pipeline.yaml"
    shown = _display_path(path)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", folder.name):
        return None, [
            f"{shown}: the folder's name {folder.name!r} is the pipeline's name; use lower case letters, digits, _"
        ]
    if len(folder.name) > MAX_PIPELINE_NAME:
        return None, [
            f"{shown}: the folder's name has {len(folder.name)} characters, and as the pipeline's name, which tags its "
            f"DAGs, at most {MAX_PIPELINE_NAME}; shorten it"
        ]
    # pathlib would raise if the folder may not be read, which is reported below
    if os.path.isfile(folder / "pipeline.yml") and not os.path.lexists(path):  # noqa: PTH113
        return None, [f"{shown}: there is a pipeline.yml in its place; rename pipeline.yml to pipeline.yaml"]
    try:
        file = read_yaml(path, shown)
    except ConfigError as error:
        return None, str(error).splitlines()
    if not isinstance(file.data, dict):
        return None, [f"{shown}: expected fields such as `description:` and `sources:`, found none"]
    try:
        pipeline = Pipeline.model_validate(file.data)
    except ValidationError as error:
        mistakes = [_describe_mistake(shown, file, item) for item in error.errors()[:MISTAKES]]
        more = error.error_count() - len(mistakes)
        return None, mistakes + ([f"{shown}: {more:,} more mistakes are not listed"] if more else [])
    pipeline._folder = folder  # a private attribute, so a frozen model allows it
    return pipeline, _missing_files(pipeline, shown, file) + _ambiguous_parameters(shown, file)


def stray_suites(pipeline: Pipeline) -> list[str]:
    """Return a mistake for each expectation file that belongs to no source, whose rules nothing would check."""
    known = [*pipeline.sources, "features"]
    mistakes = []
    for path in sorted((pipeline.folder / "expectations").glob("*.y*ml")):
        if path.stem not in known:
            unknown = unknown_name("source", path.stem, known)
            mistakes.append(f"{_display_path(path)}: {unknown}; a suite is named <source>.yaml")
        elif path.suffix != ".yaml":
            mistakes.append(
                f"{_display_path(path)}: a suite is named <source>.yaml, and this one ends with {path.suffix}"
            )
    return mistakes


def _missing_files(pipeline: Pipeline, shown: str, file: YamlFile) -> list[str]:
    """Return a mistake for each file that pipeline.yaml names and the folder lacks."""
    named = {"features.query": pipeline.features.query}
    for name, source in pipeline.sources.items():
        named |= {f"sources.{name}.{field}": path for field, path in source.folder_files.items()}
    mistakes = []
    for field, relative in named.items():
        # pathlib would raise if the name is too long
        if not os.path.isfile(pipeline.folder / relative):  # noqa: PTH113
            there = [
                str(path.relative_to(pipeline.folder)) for path in pipeline.folder.rglob("*.sql") if path.is_file()
            ]
            mistakes.append(
                f"{shown}:{file.line(tuple(field.split('.')))}: {field}: {unknown_name('file', relative, there)}"
            )
    return mistakes


def _ambiguous_parameters(shown: str, file: YamlFile) -> list[str]:
    """Return a mistake for each estimator parameter that may or may not be text: no schema knows its type."""
    mistakes = []
    for path, text in file.ambiguous.items():
        if path[:2] == ("training", "own_candidates") and ("params" in path[3:4] or "choices" in path[5:6]):
            mistakes.append(
                f"{shown}:{file.line(path)}: {'.'.join(map(str, path))}: {text} may be a text or not; write true or "
                "false, a number in decimal digits, or quotes around a text"
            )
    return mistakes


def _describe_mistake(shown: str, file: YamlFile, item: Any) -> str:
    """Return one of pydantic's errors as a sentence with file, line, field and expectation."""
    location = _yaml_location(item["loc"], file.data)
    field = ".".join(str(part) for part in location) or "the file"
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        problem = unknown_name("field", str(location[-1]), _fields_at(location[:-1], file.data))
    elif kind == "missing":
        problem = "this field is required and missing"
    elif kind == "literal_error" and location[-2:-1] == ("columns",):
        meant = declared_type(str(item["input"]))
        problem = unknown_name("value", str(item["input"]), list(get_args(ColumnType)), near=meant)
    elif kind in ("literal_error", "union_tag_invalid"):
        expected = context.get("expected") or context.get("expected_tags", "")
        problem = unknown_name("value", str(context.get("tag", item["input"])), re.findall(r"'([^']+)'", expected))
    elif kind == "union_tag_not_found":
        problem = f"`kind` is required: one of {', '.join(map(repr, SOURCE_KINDS))}"
    elif kind == "string_type" and isinstance(item["input"], (int, float, type(None))):
        found = "null" if item["input"] is None else str(item["input"]).lower()
        problem = f"expected text, found {found}; write it in quotes"
    elif kind == "list_type":
        problem = f"expected a list, such as [a, b], found {_found(item['input'])}"
    elif kind == "too_short":
        problem = "at least one is needed, found none"
    elif kind in ("model_type", "dict_type", "model_attributes_type"):
        problem = f"expected fields below it, found {_found(item['input'])}"
    elif kind == "string_pattern_mismatch" and location[-1] == "estimator":
        problem = f"expected the import path of a class, such as sklearn.svm.SVC, found {item['input']!r}"
    elif kind == "string_pattern_mismatch":
        problem = f"the name {item['input']!r} may only have lower case letters, digits and _, the first a letter"
    else:
        problem = item["msg"].removeprefix("Value error, ")
        if kind not in ("value_error", "number"):
            problem = f"{problem[0].lower()}{problem[1:]}, found {_found(item['input'])}"
    return f"{shown}:{file.line(location)}: {field}: {problem}"


def _found(value: Any) -> str:
    """Return a wrong value as text, shortened if it is long."""
    shown = "nothing" if value is None else repr(value)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}..."


def _yaml_location(location: tuple[Any, ...], data: Any) -> tuple[Any, ...]:
    """Return a location without the parts that pydantic adds for a union's branch or a mapping's key."""
    kept: list[Any] = []
    for position, part in enumerate(location):
        branch = position == 2 and location[0] == "sources" and part in SOURCE_KINDS
        within = position == 1 and location[0] == "approval" and part in ("Approval", "literal['required']")
        if part == "[key]" or within or (branch and isinstance(data, dict) and part not in data):
            continue
        kept.append(part)
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
    return tuple(kept)


def _fields_at(location: tuple[Any, ...], data: Any) -> list[str]:
    """Return the fields that the schema has at a location."""
    kind: Any = Pipeline
    for part in location:
        data = data[part] if isinstance(data, (dict, list)) else {}
        if location[0] == "sources" and len(location) > 1 and part == location[1]:
            kind = SOURCE_KINDS.get(str(data.get("kind")) if isinstance(data, dict) else "", BaseSource)
        else:
            kind = _below(kind, part)
    return [name for each in _alternatives(kind) for name in getattr(each, "model_fields", {})]


def _below(kind: Any, part: Any) -> Any:
    """Return the type of a section's field, or of a mapping's or list's values."""
    for each in _alternatives(kind):
        if part in getattr(each, "model_fields", {}):
            return each.model_fields[part].annotation
        if get_origin(each) in (dict, list):
            return get_args(each)[-1]
    return None


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _display_path(path: Path) -> str:
    """Return a path relative to the project's root if it lies below it."""
    return str(path.relative_to(settings.root())) if path.is_relative_to(settings.root()) else str(path)
