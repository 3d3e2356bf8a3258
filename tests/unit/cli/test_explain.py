"""`explain-row`: the contributions to one prediction, or a sentence why it cannot be explained."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from include.cli import main
from include.config.loader import load_pipeline
from include.core import settings
from include.core.errors import EvaluationFailed
from include.workflows.retrain.explain_row import parse_key
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

KEY = "store-1-2024-03-20"


def call(*arguments: str) -> Result:
    """Run a command of the launcher."""
    return CliRunner().invoke(main, arguments)


def test_predictions_of_a_nightly_run_can_be_explained(shop: Path, home: Path) -> None:
    """Base and contributions add up to the prediction; unknown versions and keys are refused."""
    assert "no run has built features yet" in call("explain-row", "shop", "--key", KEY).output
    night = call("run", "shop", "--as-of", "2024-03-20", "--tuning-seconds", "30")
    assert night.exit_code == 0, night.output

    told = call("explain-row", "shop", "--key", KEY)
    as_json = json.loads(call("explain-row", "shop", "--key", f"store_day={KEY}", "--version", "1", "--json").output)

    assert told.exit_code == 0, told.output
    assert told.output.startswith("shop version 1 (")
    assert f"store_day {KEY}, prediction time 2024-03-20 00:00:00, label " in told.output
    assert "they agree" in told.output
    adds = [float(each) for each in re.findall(r"([+-][\d.]+)$", told.output, re.MULTILINE)]
    *parts, total = adds
    assert sum(parts) == pytest.approx(total, abs=1e-4)
    assert re.search(r"^store +store-1 +[+-]", told.output, re.MULTILINE)
    whole = sum(each["contribution"] for each in as_json["features"]) + as_json["base"]
    assert whole == pytest.approx(as_json["prediction"], rel=1e-6)
    assert as_json["key"] == {"store_day": KEY}
    sizes = [abs(each["contribution"]) for each in as_json["features"]]
    assert sizes == sorted(sizes, reverse=True)

    for arguments, sentence in (
        (["--key", "stor-1-2024-03-20"], f"no row with store_day 'stor-1-2024-03-20'; did you mean '{KEY}'?"),
        (["--key", KEY, "--version", "9"], "shop has no version 9 in MLflow; there are 1"),
        (["--key", "a", "--key", "b"], "so 1 value is needed, and 2 given"),
    ):
        refused = call("explain-row", "shop", *arguments)
        assert refused.exit_code == 1
        assert sentence in refused.output
        assert isinstance(refused.exception, SystemExit)  # and not the error itself, which would be a traceback

    cards = {each.name: each.read_text(encoding="utf-8") for each in home.rglob("artifacts/model_card.*")}
    assert sorted(cards) == ["model_card.html", "model_card.md"]
    assert "Contributions: each point is a row" in cards["model_card.html"]
    assert "| revenue_mean_7d |" in cards["model_card.md"]
    assert "Not measured in this run" not in cards["model_card.md"]


def test_without_a_champion_a_version_has_to_be_named(shop: Path) -> None:
    """A challenger is explained by its version number."""
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("minimum: 50", "minimum: 0.001"))
    night = call("run", "shop", "--as-of", "2024-03-20", "--tuning-seconds", "30")
    assert night.exit_code == 0, night.output

    refused = call("explain-row", "shop", "--key", KEY)
    explained = call("explain-row", "shop", "--key", KEY, "--version", "1", "--all")

    assert refused.exit_code == 1
    assert "shop has no champion yet; name a version with --version" in refused.output
    assert explained.exit_code == 0, explained.output
    assert "they agree" in explained.output


def test_a_key_of_several_columns_is_given_in_order_or_by_name(shop: Path) -> None:
    """Key values are given in order or by column name; missing and unknown columns are refused."""
    text = factories.SHOP_YAML.replace("key: [store_day]", "key: [store, day]")
    factories.write_shop(shop.parent, pipeline=text)
    pipeline = load_pipeline("shop")

    assert parse_key(pipeline, ["a", "b"]) == {"store": "a", "day": "b"}
    assert parse_key(pipeline, ["day=b", "store=a=1"]) == {"store": "a=1", "day": "b"}
    assert parse_key(pipeline, ["x=1", "b"]) == {"store": "x=1", "day": "b"}
    for keys in (["a"], ["a", "b", "c"], ["store=a"], ["store=a", "store=b"], ["store=a", "shop=b"]):
        with pytest.raises(EvaluationFailed, match="key"):
            parse_key(pipeline, keys)


def test_the_page_shows_what_the_command_prints(shop: Path) -> None:
    """The example in the model card has every line of the command's output, in order."""
    page = (settings.root() / "docs" / "how-to" / "read-a-model-card.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```text\n(shop version.*?)```", page, re.DOTALL)

    adds = {line.split()[0]: float(line.split()[-1]) for line in block.splitlines() if re.search(r" [+-][\d.]+$", line)}

    total = adds.pop("sum")
    assert sum(adds.values()) == pytest.approx(total, abs=1e-5)
    assert f"The sum is {total:.6f}" in block
