"""Writes the reference pages that are generated from the code, before Sphinx reads the pages.

Three pages: pipeline.yaml from its JSON Schema, the DAGs from the docstrings of dags/, and the SQL macros from the
comments of macros.sql. They are written to docs/reference/generated/, which git ignores.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]

#: What a JSON type is called on the page.
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}


def write_pages(app: Sphinx) -> None:
    """Write the generated pages; a page that would not change is left alone, so that Sphinx does not read it again."""
    folder = Path(app.srcdir) / "reference" / "generated"
    folder.mkdir(exist_ok=True)
    schema = json.loads((ROOT / "docs" / "pipeline.schema.json").read_text(encoding="utf-8"))
    pages = {
        "pipeline-yaml.md": pipeline_page(schema),
        "dags.md": dags_page(sorted((ROOT / "dags").glob("*.py"))),
        "macros.md": macros_page((ROOT / "include" / "features" / "macros.sql").read_text(encoding="utf-8")),
    }
    for name, lines in pages.items():
        page, text = folder / name, "\n".join(lines) + "\n"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def pipeline_page(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the reference of pipeline.yaml: a heading for each section, a table of its fields."""
    definitions = schema["$defs"]
    yield "# pipeline.yaml"
    yield ""
    yield "Every field of a pipeline's YAML file. `./nightshift validate-config` names each mistake in a file with its"
    yield "line; `./nightshift schema` prints the JSON Schema for an editor."
    sections = [("Top level", "", schema), *_sections(schema, definitions, "", set())]
    for title, label, section in sections:
        yield from ["", *([f"({label})="] if label else []), f"## {title}", "", section.get("description", ""), ""]
        yield "| field | value | default | meaning |"
        yield "|---|---|---|---|"
        for name, field in section.get("properties", {}).items():
            default = "**required**" if name in section.get("required", []) else _default(field)
            meaning = field.get("description") or _meaning(field, definitions)
            yield f"| `{name}` | {_cell(_value(field))} | {default} | {_cell(meaning)} |"


def _sections(
    section: dict[str, Any], definitions: dict[str, Any], path: str, seen: set[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield title, label and schema of each section below one, in the order of the schema and each once."""
    for name, field in section.get("properties", {}).items():
        for suffix, reference in _references(field):
            target = definitions[reference]
            if reference in seen or "properties" not in target:
                continue
            seen.add(reference)
            below = f"{path}.{name}{suffix}".lstrip(".")
            kind = target["properties"].get("kind", {}).get("const")
            yield (f"`{below}`, kind {kind}" if kind else f"`{below}`"), _label(reference), target
            yield from _sections(target, definitions, below, seen)


def _references(field: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the definitions that a field's value may follow, each with what follows the field's name in its path."""
    if "$ref" in field:
        yield "", field["$ref"].rpartition("/")[2]
    for option in [*field.get("anyOf", []), *field.get("oneOf", []), *field.get("allOf", [])]:
        yield from _references(option)
    for named in [field.get("additionalProperties"), *field.get("patternProperties", {}).values()]:
        if isinstance(named, dict):
            yield from ((f".<name>{below}", reference) for below, reference in _references(named))
    if isinstance(field.get("items"), dict):
        yield from ((f"[]{below}", reference) for below, reference in _references(field["items"]))


def _label(reference: str) -> str:
    return f"yaml-{reference.lower()}"


def _meaning(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return the first sentence about the section that a field holds."""
    described = [definitions[reference].get("description", "") for _, reference in _references(field)]
    return described[0].split(". ")[0] if len(described) == 1 else ""


def _value(field: dict[str, Any]) -> str:
    """Return in words what a field may hold."""
    options = [*field.get("anyOf", []), *field.get("oneOf", [])]
    if options:
        return " or ".join(dict.fromkeys(_value(option) for option in options))
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field:
        reference = field["$ref"].rpartition("/")[2]
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", reference).lower()
        return f"[{words}](#{_label(reference)})"
    if field.get("type") == "array":
        return f"a list of {_value(field.get('items', {}))}"
    if field.get("type") == "object":
        named = [
            each for each in (field.get("additionalProperties"), *field.get("patternProperties", {}).values()) if each
        ]
        return f"by name: {_value(named[0])}" if named and isinstance(named[0], dict) else "names with values"
    return TYPES.get(field.get("type", ""), "any value") + _bounds(field)


def _bounds(field: dict[str, Any]) -> str:
    """Return the bounds of a number, such as ` (2 to 36500)`."""
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f" ({low} to {high})"
    if low is not None:
        return f" (at least {low})"
    if high is not None:
        return f" (at most {high})"
    if "exclusiveMinimum" in field:
        return f" (more than {field['exclusiveMinimum']})"
    return ""


def _default(field: dict[str, Any]) -> str:
    """Return a field's default as YAML would show it."""
    if "default" not in field:
        return ""
    value = field["default"]
    if isinstance(value, dict) and value:
        return "see its section"
    return f"`{json.dumps(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def dags_page(paths: list[Path]) -> Iterator[str]:
    """Yield the lines of the page of the DAGs: what each says of itself in the Airflow UI."""
    yield "# The DAGs"
    yield ""
    yield "Each pipeline has one DAG of each kind, named `<pipeline>.<kind>`. The Airflow UI shows the same text as the"
    yield "DAG's documentation."
    for path in paths:
        documentation = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if documentation and path.stem != "pipelines":
            yield ""
            yield f"## {path.stem}"
            yield ""
            yield documentation


def macros_page(sql: str) -> Iterator[str]:
    """Yield the lines of the page of the SQL macros: a heading for each group and macro, with its comment."""
    yield "# SQL macros"
    yield ""
    yield "Functions that `features.sql` can call, beside DuckDB's own."
    yield "[Write features](../../how-to/write-features.md) shows them at work."
    _, *paragraphs = sql.strip().split("\n\n")  # the first is about the file
    for paragraph in paragraphs:
        comment: list[str] = []
        for line in paragraph.splitlines():
            if line.startswith("--"):
                comment.append(line.removeprefix("--").strip())
            elif macro := re.match(r"CREATE MACRO ((\w+)\([^)]*\))", line):
                if "CREATE" in paragraph and comment and re.match(r"[A-Z]\w+\. ", comment[0]):
                    yield from _group(comment)  # an introduction directly above its first macro
                    comment = []
                yield from ["", f"### {macro[2]}", "", "```sql", macro[1], "```", "", *comment]
                comment = []
        if comment:
            yield from _group(comment)


def _group(comment: list[str]) -> Iterator[str]:
    """Yield the heading and the text of a group of macros, from a comment such as `Ages. The event must ...`."""
    title, _, text = " ".join(comment).partition(". ")
    yield from ["", f"## {title}", "", text]
