"""The command line: its commands, and the one sentence that an error is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from include.cli import main
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def call(*arguments: str) -> Result:
    """Run a command of the launcher."""
    return CliRunner().invoke(main, arguments)


def test_a_night_runs_in_one_process(shop: Path) -> None:
    """`run` shows each step, the verdict and the registered version."""
    result = call("run", "shop", "--as-of", "2024-03-20", "--tuning-seconds", "1")

    assert result.exit_code == 0, result.output
    for step in ("sales.extract", "sales.publish", "tune_candidate linear", "apply_gate", "summarize_run"):
        assert step in result.output
    assert "VERDICT  promote" in result.output
    assert "Registered: shop version 1, alias champion" in result.output


def test_an_error_is_one_sentence_without_a_traceback(shop: Path) -> None:
    """A query that fails is told by its name, file and connection, and the status is not 0."""
    (shop / "sql" / "sales.sql").write_text("SELECT revenue FROM nowhere")

    result = call("run", "shop", "--as-of", "2024-03-20")

    assert result.exit_code == 1
    assert "SourceUnreadable: shop: source 'sales'" in result.output
    assert "no such table: nowhere" in result.output
    assert "Traceback" not in result.output


def test_an_unknown_pipeline_is_told_the_nearest(shop: Path) -> None:
    """A misspelt name gets a suggestion."""
    result = call("run", "shopp", "--as-of", "2024-03-20")

    assert result.exit_code == 1
    assert "did you mean 'shop'" in result.output


def test_validate_config_names_every_mistake_of_every_pipeline(shop: Path) -> None:
    """All mistakes are listed with file and line, the sound pipelines are told to be, the status is not 0."""
    wrong = factories.SHOP_YAML.replace("metric: mae", "metric: mse").replace("key: [store, day]", "key: [shop]")
    factories.write_shop(shop.parent, "wrong", pipeline=wrong)
    factories.write_shop(shop.parent, "broken", features="SELECT FROM")
    factories.write_shop(
        shop.parent, "unexpected", sales_expectations="expectations: [expect_column_value_to_be_null: {column: store}]"
    )

    result = call("validate-config")

    assert result.exit_code == 1
    assert "shop: ok" in result.output
    assert "wrong/pipeline.yaml:" in result.output
    assert "'mse'" in result.output
    assert "'shop'" in result.output
    assert "broken/features.sql" in result.output
    assert "expect_column_values_to_be_null" in result.output
    assert "mistakes found" in result.output


def test_the_pipelines_of_the_repository_are_sound() -> None:
    """`validate-config` finds nothing wrong with what is shipped."""
    result = call("validate-config")

    assert result.exit_code == 0, result.output
    assert "flight_delays: ok" in result.output


def test_the_schema_in_docs_is_the_one_of_the_code() -> None:
    """Editors read docs/pipeline.schema.json, which `./nightshift schema` prints."""
    from include import settings

    printed = json.loads(call("schema").output)

    assert printed == json.loads((settings.root() / "docs" / "pipeline.schema.json").read_text())


@pytest.mark.parametrize("command", ["run", "validate-config", "schema", "demo", "up", "sources"])
def test_every_command_says_what_it_does(command: str) -> None:
    """Each command has help."""
    assert len(call(command, "--help").output.splitlines()) > 3
