"""The command line: its commands, and errors as one sentence."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from include import lake
from include.cli import main
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.workflows.retrain import steps
from include.workflows.retrain.plan import plan_run
from include.workflows.retrain.run import ingest
from tests import factories

if TYPE_CHECKING:
    from click.testing import Result


def call(*arguments: str) -> Result:
    """Run a command of the launcher."""
    return CliRunner().invoke(main, arguments)


def test_a_nightly_run_needs_only_one_process(shop: Path) -> None:
    """`run` shows each step, the verdict and the registered version."""
    result = call("run", "shop", "--as-of", "2024-03-20", "--tuning-seconds", "30")

    assert result.exit_code == 0, result.output
    for step in ("sales.extract", "sales.publish", "tune_candidates", "apply_gate", "summarize_run"):
        assert step in result.output
    assert "VERDICT  promote" in result.output
    assert "Registered: shop version 1, alias champion" in result.output
    for page in ("Model card: ", "Features: "):
        (line,) = [line for line in result.output.splitlines() if line.startswith(page)]
        assert Path(line.removeprefix(page)).is_file()


def test_an_error_is_one_sentence_without_a_traceback(shop: Path) -> None:
    """The sentence names the failed query's source, file and connection, and the exit status is not 0."""
    (shop / "sql" / "sales.sql").write_text("SELECT revenue FROM nowhere")

    result = call("run", "shop", "--as-of", "2024-03-20")

    assert result.exit_code == 1
    assert "SourceUnreadable: shop: source 'sales'" in result.output
    assert "no such table: nowhere" in result.output
    assert isinstance(result.exception, SystemExit)  # and not the error itself, which would be a traceback


def test_an_unknown_pipeline_gets_a_suggestion(shop: Path) -> None:
    """A misspelt name gets a suggestion."""
    result = call("run", "shopp", "--as-of", "2024-03-20")

    assert result.exit_code == 1
    assert "did you mean 'shop'" in result.output


def test_validate_config_names_every_mistake_of_every_pipeline(shop: Path) -> None:
    """The command lists all mistakes with file and line, names the valid pipelines, and does not exit with 0."""
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


def test_validate_config_checks_the_suites_against_the_columns(shop: Path) -> None:
    """Mistakes that would fail every nightly run are reported before, for sources and features."""
    factories.write_shop(
        shop.parent,
        sales_expectations="expectations:\n- expect_column_values_to_be_in_set: {column: store, value_set: [1]}\n",
    )
    assert (
        "sales.yaml:2: expectation 1: expect_column_values_to_be_in_set: value_set has 1"
        in call("validate-config").output
    )

    factories.write_shop(shop.parent)
    (shop / "expectations" / "features.yaml").write_text(
        "expectations:\n- expect_column_values_to_be_unique: {column: Store_Day}\n"
    )
    assert (
        "features.yaml:2: expectation 1: expect_column_values_to_be_unique: there is no column 'Store_Day'; did "
        in (call("validate-config").output)
    )


def test_a_pipeline_that_cannot_be_checked_does_not_stop_the_others(shop: Path) -> None:
    """An unexpected fault is reported with the pipeline's name, and the command continues."""
    factories.write_shop(shop.parent, "a_first")
    (shop.parent / "a_first" / "expectations" / "sales.yaml").unlink()
    (shop.parent / "a_first" / "expectations" / "sales.yaml").mkdir()
    (shop.parent / "nowhere").symlink_to(shop.parent / "no_such_folder")

    result = call("validate-config")

    assert "a_first/expectations/sales.yaml: this is not a file" in result.output
    assert "nowhere/pipeline.yaml: the file cannot be read" in result.output
    assert "shop: ok" in result.output


def test_a_module_that_exits_does_not_stop_the_checks_of_others(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that called sys.exit during its import ended the command before other pipelines were checked."""
    (tmp_path / "checks_that_exit.py").write_text("import sys\n\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    checks = factories.SHOP_YAML + "  own_checks: [checks_that_exit.Mine]\n"
    factories.write_shop(shop.parent, "a_first", pipeline=checks)
    quoted = factories.SHOP_SQL.replace(":end", "':end'")
    factories.write_shop(shop.parent, "b_last", sales_sql=quoted)
    factories.write_shop(shop.parent, "b_next", pipeline=factories.SHOP_YAML.replace("sql/sales.sql", "x" * 300))

    result = call("validate-config")

    assert "checks_that_exit.Mine cannot be imported (SystemExit: 3); correct the path" in result.output
    assert f"sources.sales.query: there is no file '{'x' * 300}'" in result.output
    assert "b_last/sql/sales.sql: it has :end in quotes" in result.output
    assert "shop: ok" in result.output


def test_the_pipelines_of_the_repository_are_valid() -> None:
    """`validate-config` finds no mistake in the shipped pipelines."""
    result = call("validate-config")

    assert result.exit_code == 0, result.output
    assert "flight_delays: ok" in result.output


def test_the_schema_in_docs_is_the_one_of_the_code() -> None:
    """Editors read docs/pipeline.schema.json, which `./nightshift schema` prints."""
    printed = json.loads(call("schema").output)

    assert printed == json.loads((settings.root() / "docs" / "pipeline.schema.json").read_text())


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "ingest",
        "validate-config",
        "suggest-expectations",
        "schema",
        "demo",
        "up",
        "sources",
        "explain-row",
        "promote",
    ],
)
def test_every_command_says_what_it_does(command: str) -> None:
    """Each command has help."""
    assert len(call(command, "--help").output.splitlines()) > 3


@pytest.fixture
def without_suite(shop: Path) -> Path:
    """Remove the shop's suite and return its path."""
    path = shop / "expectations" / "sales.yaml"
    path.unlink()
    path.parent.rmdir()
    return path


def test_a_first_suite_is_suggested_from_the_source_and_then_from_the_lake(without_suite: Path) -> None:
    """Without published rows the command reads the source; a nightly run passes the suite."""
    first = call("suggest-expectations", "shop", "sales", "--start", "2024-02-01", "--end", "2024-02-28")
    assert first.exit_code == 0, first.output
    assert "Looked at 140 rows of 28 days (2024-02-01 to 2024-02-28), read from the source" in first.stderr
    assert f"{without_suite}: 5 expectations to edit" in first.stdout
    assert call("validate-config", "shop").output == "shop: ok\n"

    night = call("run", "shop", "--as-of", "2024-03-20", "--tuning-seconds", "30", "--dry-run")
    assert night.exit_code == 0, night.output
    again = call("suggest-expectations", "shop", "sales", "--days", "7", "--print")

    assert "Looked at 35 rows of 7 days (2024-03-14 to 2024-03-20), published in the lake" in again.stderr
    assert again.stdout.startswith("# Suggested by ./nightshift suggest-expectations shop sales from 35 rows")


def test_an_existing_suite_is_replaced_only_by_force(shop: Path) -> None:
    """An existing suite is kept; --print shows the suggestion and --force replaces the suite."""
    path = shop / "expectations" / "sales.yaml"
    written, days = path.read_text(), ("--end", "2024-02-28")

    refused = call("suggest-expectations", "shop", "sales", *days)
    seen = call("suggest-expectations", "shop", "sales", *days, "--print")

    assert refused.exit_code == 1
    assert f"{path} exists and was left as it is; see what is suggested with --print" in refused.output
    assert seen.exit_code == 0
    assert path.read_text() == written
    forced = call("suggest-expectations", "shop", "sales", *days, "--force")
    assert forced.exit_code == 0
    assert path.read_text() == seen.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("shop", "sale", "--print"), "ConfigError: shop: there is no source 'sale'; did you mean 'sales'?"),
        (("shop", "sales", "--days", "7", "--end", "2024-02-28"), "--days counts published days"),
        (("shop", "sales", "--start", "2024-03-01", "--end", "2024-02-28"), "--start (2024-03-01) is after --end"),
        (("shop", "sales", "--print"), "SourceEmpty: shop: source 'sales'"),
    ],
)
def test_a_source_without_a_suggestion_is_refused(shop: Path, arguments: tuple[str, ...], told: str) -> None:
    """An unknown name, contradictory days, and a source without rows yesterday are refused."""
    result = call("suggest-expectations", *arguments)

    assert result.exit_code != 0
    assert told in result.output
    assert isinstance(result.exception, SystemExit)  # and not the error itself, which would be a traceback


def test_the_feature_page_is_written_next_to_its_table_or_to_a_named_file(shop: Path, tmp_path: Path) -> None:
    """The page shows the newest feature table, and the command prints its path."""
    refused = call("document-features", "shop")
    pipeline = load_pipeline("shop")
    ingest(pipeline, factories.FIRST_DAY, factories.FIRST_DAY + timedelta(days=9), EnvironmentConnections())
    steps.build(pipeline, plan_run(pipeline, "night"))

    kept = call("document-features", "shop")
    exported = call("document-features", "shop", "--output", "features.html")
    unwritable = call("document-features", "shop", "--output", "nowhere/features.html")

    assert refused.exit_code == 1
    assert "RunMissing: shop: no run has built features yet" in refused.output
    assert kept.output == f"{tmp_path}/var/lake/shop/features.html\n"
    assert exported.output == "features.html\n"
    page = Path("features.html").read_text(encoding="utf-8")
    assert page == Path(kept.output.strip()).read_text(encoding="utf-8")
    assert "none yet" in page
    assert unwritable.exit_code == 1
    assert "nowhere/features.html could not be written (No such file or directory)" in unwritable.output


def test_days_are_ingested_in_one_process(shop: Path) -> None:
    """A range of days and then its last day are ingested without Airflow."""
    result = call("ingest", "shop", "--from", "2024-01-01", "--to", "2024-01-05")

    assert result.exit_code == 0, result.output
    assert "shop 2024-01-01 to 2024-01-05" in result.output
    assert "sales.publish" in result.output
    assert call("ingest", "shop", "--to", "2024-01-06").exit_code == 0
    assert list(lake.partitions(lake.raw_uri("shop", "sales"))) == [f"2024-01-0{day}" for day in range(1, 7)]


@pytest.mark.parametrize("days", [("--from", "2024-01-05", "--to", "2024-01-01"), ("--to", "2999-01-01")])
def test_days_that_cannot_be_ingested_are_refused(shop: Path, days: tuple[str, ...]) -> None:
    """A range that ends before it starts, or in the future, is refused in a sentence."""
    result = call("ingest", "shop", *days)

    assert result.exit_code == 1
    assert "start must not be after end" in result.output


def test_a_source_that_ended_in_the_past_gets_a_hint_about_as_of(shop: Path) -> None:
    """The shop's sales end in March 2024, and a run without a day needs yesterday's."""
    assert "if the data end before" in call("run", "shop").output

    call("ingest", "shop", "--from", "2024-01-01", "--to", "2024-03-30")
    result = call("run", "shop")

    assert result.exit_code == 1
    assert "if the data end there, name that day: --as-of 2024-03-30" in " ".join(result.output.split())


def test_a_label_that_cannot_serve_its_task_is_found_before_anything_is_ingested(shop: Path) -> None:
    """The declared columns say that it is text."""
    text = (shop / "features.sql").read_text().replace("    sales.revenue,\n", "    sales.store AS revenue,\n")
    (shop / "features.sql").write_text(text)

    result = call("validate-config", "shop")

    assert result.exit_code == 1
    assert (
        "shop/features.sql: the label 'revenue' is text, and the task regression needs a number; convert it in "
        "the query, such as by CAST(revenue AS DOUBLE), or set training.task to multiclass"
    ) in result.output
