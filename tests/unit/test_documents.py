"""The documents say what is so: their examples run, and nothing that they should list is left out."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING

import click
import pytest
import yaml
from click.testing import CliRunner

from include.cli import main
from include.config.loader import load_pipeline, pipeline_names
from include.config.pipeline import Pipeline
from include.core import errors, settings
from include.core.connections import EnvironmentConnections
from include.validation.suite import read_items, suite_path
from include.workflows.retrain.run import run
from tests import factories
from tests.services.airflow import airflow_environment

if TYPE_CHECKING:
    from pathlib import Path

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
    result = run(load_pipeline("shop"), "printed", date(2024, 3, 20), EnvironmentConnections(), 5)

    assert result.verdict == "promote"


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
    """The page of the configuration, or that of the production stack, names each variable that the code reads."""
    code = "".join(path.read_text() for path in (settings.root() / "include").rglob("*.py"))
    read = set(re.findall(r"\b((?:NIGHTSHIFT|LAKE)_[A-Z_]+)\b", code)) - {"NIGHTSHIFT_STACK", "LAKE_COLUMNS"}

    pages = "".join((DOCS / "how-to" / name).read_text() for name in ("configure.md", "run-the-stack.md"))
    assert {"NIGHTSHIFT_HOME", "LAKE_URI"} <= read
    assert {name for name in read if name not in pages} == set()


def pages() -> list[Path]:
    """Return the pages whose examples a reader copies."""
    return [*sorted(DOCS.glob("how-to/*.md")), *sorted(DOCS.glob("start/*.md")), settings.root() / "README.md"]


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page that are in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Return the page and the arguments of each line of a console block that starts a program."""
    found = []
    for page in pages():
        for line in "".join(blocks(page, "console")).replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):  # a variable for this command alone
                del words[0]
            if words[:1] == [program]:
                found.append((page.name, words[1:]))
    return found


def test_every_command_of_the_pages_is_one_of_ours() -> None:
    """Each `./nightshift` line names a command, with arguments and options that it takes; so does each `make` line."""
    ours, made = commands("./nightshift"), commands("make")
    assert len(ours) > 10
    assert made
    for page, words in ours:
        command: click.Command = main
        while isinstance(command, click.Group):
            name, *words = words or [""]
            assert name in command.commands, f"{page}: there is no command '{name}'"
            command = command.commands[name]
        try:
            command.make_context(name, list(words))  # parses, and runs nothing
        except click.UsageError as error:
            pytest.fail(f"{page}: {name} {shlex.join(words)}: {error.format_message()}")
    targets = set(re.findall(r"^([\w-]+):.*##", (settings.root() / "Makefile").read_text(), re.MULTILINE))
    for page, words in made:
        assert {word for word in words if "=" not in word} <= targets, f"{page}: make {shlex.join(words)}"


AIRFLOW_PARSES = """
import json, sys
from airflow.cli.cli_parser import get_parser
told = []
for words in json.loads(sys.argv[1]):
    try:
        args = vars(get_parser().parse_args(words))
    except SystemExit as refused:
        args = {"exit": refused.code}
    told.append({name: args.get(name) for name in ("exit", "dag_id", "conf")})
print("PARSED" + json.dumps(told))
"""


def test_every_command_of_airflow_on_the_pages_is_one_of_airflows(tmp_path: Path) -> None:
    """Airflow's own parser takes each `./nightshift airflow` line; its DAG exists, and its form takes what is given."""
    lines = [(page, words[1:]) for page, words in commands("./nightshift") if words[0] == "airflow"]
    assert lines
    done = subprocess.run(
        [sys.executable, "-c", AIRFLOW_PARSES, json.dumps([words for _, words in lines])],
        env=airflow_environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    for (page, words), parsed in zip(lines, json.loads(done.stdout.rpartition("PARSED")[2]), strict=True):
        line = f"{page}: {shlex.join(words)}"
        assert not parsed["exit"], f"{line}\n{done.stderr[-1000:]}"
        pipeline, _, kind = (parsed["dag_id"] or "").partition(".")
        if parsed["dag_id"]:
            assert pipeline in ("shop", *pipeline_names()), line
            assert (settings.root() / "dags" / f"{kind}.py").is_file(), line
        if parsed["conf"]:
            form = (settings.root() / "dags" / f"{kind}.py").read_text()
            assert set(json.loads(parsed["conf"])) <= set(re.findall(r'"(\w+)": Param\(', form)), line


def test_every_fragment_of_a_pipeline_on_the_pages_is_valid(tmp_path: Path) -> None:
    """A suite that is named by its path has no mistake; a fragment fits into the shop's pipeline.yaml.

    A source or another section of the shop's own is merged with the shop's; a source of another name must be whole.
    """
    assert sum(len(blocks(page, "yaml")) for page in pages()) > 20
    for page in pages():
        for block in blocks(page, "yaml"):
            named = re.match(r"# include/pipelines/\S+?/(\S+\.yaml)\n", block)
            shop, fragment = yaml.safe_load(factories.SHOP_YAML), yaml.safe_load(block)
            if named and named[1] != "pipeline.yaml":
                path = tmp_path / "suite.yaml"
                path.write_text(block)
                assert read_items(path)[1] == [], page.name
                continue
            if fragment.keys() >= {"sources", "features"}:  # a whole file
                shop = fragment
            elif fragment.keys() <= Pipeline.model_fields.keys():
                for name, source in fragment.pop("sources", {}).items():
                    shop["sources"][name] = shop["sources"].get(name, {}) | source
                for name, section in fragment.items():
                    shop[name] = shop.get(name, {}) | section if isinstance(section, dict) else section
            else:
                assert not named, f"{page.name}: a pipeline.yaml with other sections"
                continue
            try:
                Pipeline.model_validate(shop)
            except ValueError as error:
                pytest.fail(f"{page.name}: {block}\n{error}")


PAGE = DOCS / "how-to" / "write-expectations.md"


def test_the_suites_and_the_fragment_of_the_page_of_expectations_are_sound(tmp_path: Path) -> None:
    """Each YAML block of 'Write expectations' is a suite without a mistake, or fits into the shop's pipeline.yaml."""
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    suites = [block for block in blocks if "expectations" in block]
    fragments = [block for block in blocks if "expectations" not in block]
    assert [len(suites), len(fragments)] == [2, 1]
    for suite in suites:
        shop = factories.write_shop(tmp_path, sales_expectations=yaml.safe_dump(suite))
        items, mistakes = read_items(suite_path(shop, "sales"))
        assert [len(items), mistakes] == [len(suite["expectations"]), []]
        named = {each["column"] for item in suite["expectations"] for each in item.values()}
        assert named <= set(yaml.safe_load(factories.SHOP_YAML)["sources"]["sales"]["columns"])
    for fragment in fragments:
        shop = yaml.safe_load(factories.SHOP_YAML)
        shop["sources"]["sales"] |= fragment.pop("sources")["sales"]
        Pipeline.model_validate(shop | fragment)


def test_what_the_page_of_expectations_shows_as_suggested_is(shop: Path) -> None:
    """The first YAML block of 'Write expectations' is the beginning of what its command suggests for the shop."""
    text = PAGE.read_text()
    shown = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0]
    [command] = re.findall(r"^\./nightshift (suggest-expectations .* --start .*)$", text, re.MULTILINE)

    printed = CliRunner().invoke(main, [*shlex.split(command), "--print"])

    assert shown in printed.stdout


def test_the_commands_of_the_page_of_expectations_are_real() -> None:
    """Each `./nightshift` line of 'Write expectations' names a command, with arguments and options that it takes."""
    lines = re.findall(r"^\./nightshift (.+)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        name, *arguments = shlex.split(line)
        main.commands[name].make_context(name, arguments)  # parses, and runs nothing
