"""The generated pages of the reference have every field, DAG and macro."""

from __future__ import annotations

import importlib.util
import json
import re
from typing import TYPE_CHECKING

import pytest

from include.core import settings

if TYPE_CHECKING:
    from types import ModuleType

ROOT = settings.root()


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    """Load the extension that writes the pages, which is not on the path."""
    path = ROOT / "docs" / "_extensions" / "generated_reference.py"
    spec = importlib.util.spec_from_file_location("generated_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_field_of_pipeline_yaml_is_on_its_page_with_its_default(generated: ModuleType) -> None:
    """A field is a row of the table of its section, whether it is required or has a default."""
    schema = json.loads((ROOT / "docs" / "pipeline.schema.json").read_text(encoding="utf-8"))
    rows = [line.split(" | ") for line in generated.pipeline_page(schema) if line.startswith("| `")]
    shown = {(row[0].removeprefix("| ").strip("`"), row[2].strip("`")) for row in rows}

    sections = [schema, *(each for each in schema["$defs"].values() if "properties" in each)]
    assert len(rows) == sum(len(section["properties"]) for section in sections)
    for section in sections:
        for name, field in section["properties"].items():
            if name in section.get("required", []):
                assert (name, "**required**") in shown
            elif "default" in field and not field["default"]:
                assert (name, json.dumps(field["default"])) in shown


def test_every_dag_is_on_its_page(generated: ModuleType) -> None:
    """The page has the documentation that the Airflow UI shows."""
    page = "\n".join(generated.dags_page(sorted((ROOT / "dags").glob("*.py"))))

    assert {"ingest", "retrain", "score", "monitor", "maintain"} <= set(re.findall(r"^## (\w+)$", page, re.MULTILINE))
    assert "dags/pipelines" not in page


def test_every_macro_is_on_its_page_with_its_comment(generated: ModuleType) -> None:
    """Macros that share a comment stand below each other."""
    sql = (ROOT / "include" / "features" / "macros.sql").read_text(encoding="utf-8")
    page = "\n".join(generated.macros_page(sql))

    assert re.findall(r"^### (\w+)$", page, re.MULTILINE) == re.findall(r"^CREATE MACRO (\w+)", sql, re.MULTILINE)
    assert "### ratio\n\n```sql\nratio(part, whole)\n```\n\nA part of a whole" in page
