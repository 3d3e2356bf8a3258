"""The documents say what is so: their examples run, and nothing that they should list is left out."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from click.testing import CliRunner

from include import errors, settings
from include.catalog import load_pipeline
from include.cli import main
from include.connections import EnvironmentConnections
from include.evaluation.checks import CHECKS
from include.retraining.run import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DOCS = settings.root() / "docs"


def test_the_model_of_the_how_to_runs(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of 'Add a model', copied as they are printed, make a model that passes the gate."""
    text = (DOCS / "how-to" / "add-a-model.md").read_text()
    files = re.findall(r"```(?:yaml|sql)\n(?:#|--) include/pipelines/(\S+)\n(.*?)```", text, re.DOTALL)
    assert len(files) == 4
    for path, content in files:
        target = tmp_path / "printed" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(tmp_path / "printed"))

    checked = CliRunner().invoke(main, ["validate-config", "shop"])
    assert checked.output == "shop: ok\n"
    result = run(load_pipeline("shop"), "printed", date(2024, 3, 20), EnvironmentConnections(), 1)

    assert result["verdict"] == "promote"


def test_every_check_is_explained() -> None:
    """The page of the gate has a row for each check, and none that does not exist."""
    assert re.findall(r"^\| `(GATE\d+)`", (DOCS / "gate.md").read_text(), re.MULTILINE) == [
        check.code for check in CHECKS
    ]


def test_every_error_of_a_run_is_explained() -> None:
    """The page of failed runs has a row for each named error that a task can end with."""
    named = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.NightshiftError)
    } - {"NightshiftError", "EmbeddedStackError"}

    page = (DOCS / "how-to" / "read-a-failed-run.md").read_text()
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == named


def test_every_variable_is_explained() -> None:
    """The page of the configuration names each variable that the code reads."""
    code = "".join(path.read_text() for path in (settings.root() / "include").rglob("*.py"))
    read = set(re.findall(r"\b((?:NIGHTSHIFT|LAKE)_[A-Z_]+)\b", code)) - {"NIGHTSHIFT_STACK", "LAKE_COLUMNS"}

    page = (DOCS / "how-to" / "configure.md").read_text()
    assert {name for name in read if name not in page} == set()
