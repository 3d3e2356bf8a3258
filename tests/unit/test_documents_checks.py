"""The pages of the gate's checks say what is so: titles, severities, defaults, and failures that the code gives."""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from include.config.gate import Gate
from include.core import settings
from include.evaluation.evidence import Evidence, HoldoutSummary, Opponent
from include.evaluation.prediction_drift import PredictionDrift
from include.gate import checks
from include.gate.check import Check
from include.gate.checks import CHECKS
from include.gate.selection import SEVERITIES, select_checks
from include.gate.verdict import decide
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = settings.root() / "docs"
PAGES = DOCS / "checks"
SECTIONS = ["What", "Why", "Configure", "An example"]

#: The failure of each page's example: changes to good evidence, and to the gate's settings. A check with a test module
#: of its own has its example there.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE001": ({"challenger": factories.challenger(finite=False)}, {}),
    "GATE002": (
        {"holdout": HoldoutSummary(date(2024, 2, 1), date(2024, 2, 28), rows=312, days=28, label_mean=0.3)},
        {},
    ),
    "GATE003": ({"challenger": factories.challenger(0.5812)}, {}),
    "GATE004": ({"baseline": Opponent("prior", {"roc_auc": 0.5}, factories.difference(0.0041, -0.0113, 0.0187))}, {}),
    "GATE005": ({"champion": factories.champion(0.6906, -0.0042, 0.0231)}, {}),
    "GATE006": ({"champion": factories.champion(train_end="2024-02-10")}, {}),
    "GATE007": ({"champion": factories.champion(as_of="2024-03-31")}, {}),
    "GATE008": ({"challenger": factories.challenger(train_end="2024-02-05")}, {}),
}
for path in sorted((Path(__file__).parent / "gate" / "checks").glob("test_*.py")):
    EXAMPLES |= getattr(import_module(f"tests.unit.gate.checks.{path.stem}"), "EXAMPLES", {})
EXAMPLES = dict(sorted(EXAMPLES.items()))


def _all_checks() -> dict[str, Check]:
    """Return the checks of every module of the package by their codes."""
    found = {}
    for module in pkgutil.iter_modules(checks.__path__):
        for kind in vars(import_module(f"{checks.__name__}.{module.name}")).values():
            if inspect.isclass(kind) and issubclass(kind, Check) and kind is not Check:
                found[kind.code] = kind()
    return dict(sorted(found.items()))


BY_CODE = _all_checks()


def test_every_check_is_asked() -> None:
    """A check that is written is one of the gate's, in the order of the codes."""
    assert [check.code for check in CHECKS] == list(BY_CODE)


def _page(code: str) -> str:
    return (PAGES / f"{code}.md").read_text(encoding="utf-8")


def _sections(code: str) -> dict[str, str]:
    """Return the text of each section by its title."""
    parts = re.split(r"^## (.+)$", _page(code), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _of_example(code: str) -> tuple[Evidence, Gate]:
    changes, settings_of_gate = EXAMPLES[code]
    return factories.evidence(**changes), Gate.model_validate({"minimum": 0.6} | settings_of_gate)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_every_check_has_a_page(check: Check) -> None:
    """A check's page is where its result points to, has its title, and says what, why, how and an example."""
    assert (settings.root() / check.documentation).samefile(PAGES / f"{check.code}.md")
    assert _page(check.code).startswith(f"# {check.code}: {check.title}\n")
    assert list(_sections(check.code)) == SECTIONS
    assert all(text.strip() for text in _sections(check.code).values())


def test_no_page_is_of_a_check_that_there_is_not() -> None:
    """A page whose check is gone would promise what nobody asks."""
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} <= BY_CODE.keys()


def test_the_table_has_every_check() -> None:
    """The table links to each page, with the check's title and severity, in the order of the codes."""
    rows = re.findall(
        r"^\| \[(GATE\d+)\]\((GATE\d+)\.md\) \| (.+?) \| (\w+)(, essential)? \| .+ \|$",
        (PAGES / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    told = {code: (linked, title, severity, bool(essential)) for code, linked, title, severity, essential in rows}

    assert list(told) == sorted(told)
    assert told == {code: (code, check.title, check.severity, check.essential) for code, check in BY_CODE.items()}
    assert [*SEVERITIES, "off"] == re.findall(r"^- `(\w+)`:", (PAGES / "README.md").read_text(), re.MULTILINE)


def test_every_check_has_an_example_here() -> None:
    """Every check has the example of its page in a test."""
    assert list(EXAMPLES) == list(BY_CODE)


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_example_is_what_the_code_says(code: str) -> None:
    """The failure on the page is the explanation of such evidence, and the verdict's reason."""
    evidence, gate = _of_example(code)
    check = BY_CODE[code]

    explanation = check.explain(evidence, gate)

    assert explanation is not None
    shown = " ".join(_sections(code)["An example"].split())
    assert explanation in shown
    assert explanation in decide(evidence, gate, [check]).reason


@pytest.mark.parametrize("code", EXAMPLES)
def test_every_block_of_settings_is_valid(code: str) -> None:
    """What a page shows of gate's settings can be copied into a pipeline.yaml, and is the default where it says so."""
    found = re.findall(r"```yaml\n(# [^\n]*\n)?(.*?)```", _page(code), re.DOTALL)
    assert len(found) == _page(code).count("```yaml")
    for comment, block in found:
        fields = yaml.safe_load(block)
        assert fields.keys() <= {"gate", "training"}
        gate = Gate.model_validate({"minimum": 0.6} | fields["gate"])
        if comment == "# the default\n":
            assert {name: getattr(gate, name) for name in fields["gate"]} == {
                name: Gate.model_fields[name].default for name in fields["gate"]
            }


def test_the_blocks_of_the_table_of_checks_are_valid() -> None:
    """The settings of severities on the page can be copied into a pipeline.yaml."""
    [block] = re.findall(r"```yaml\n(.*?)```", (PAGES / "README.md").read_text(), re.DOTALL)
    gate = Gate.model_validate({"minimum": 0.6} | yaml.safe_load(block)["gate"])

    asked = [code for code in BY_CODE if gate.severities.get(code) != "off"]
    assert [check.code for check in select_checks(gate)] == asked
    assert "off" in gate.severities.values()


# --- a check of the team's own

OWN = (DOCS / "how-to" / "add-a-check.md").read_text(encoding="utf-8")


@pytest.fixture
def own_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Write the page's module as it is printed where Python finds it, and return the gate of the page's YAML."""
    [(name, code)] = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", OWN, re.DOTALL)
    [block] = re.findall(r"```yaml\n# include/pipelines/shop/pipeline\.yaml\n(.*?)```", OWN, re.DOTALL)
    (tmp_path / name).write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Gate.model_validate(yaml.safe_load(block)["gate"])
    sys.modules.pop(name.removesuffix(".py"), None)


def _forecast(mean: float) -> Evidence:
    return factories.evidence(shift=PredictionDrift(0.02, 0.98, mean, 300.0, 5000))


def test_the_check_of_the_how_to_refuses_what_it_says(own_gate: Gate) -> None:
    """A mean beyond the bound leads to what the page shows, and one within it is promoted, with its numbers."""
    check = select_checks(own_gate)[-1]

    refused = decide(_forecast(1234.5), own_gate, [check])
    passed = decide(_forecast(312.0), own_gate, [check])

    shown = " ".join(re.findall(r"```text\n(.*?)```", OWN, re.DOTALL)[0].split())
    [result] = refused.results
    assert refused.verdict == "inconclusive"
    assert shown == f"{check.code} {result.outcome} {check.title} ({check.documentation}) {result.explanation}"
    assert (passed.verdict, passed.results[0].outcome) == ("promote", "pass")
    assert passed.results[0].numbers == {"mean": 312.0, "highest": 1000.0}


@pytest.mark.parametrize("mean", [float("nan"), float("inf")])
def test_the_check_of_the_how_to_lets_no_nan_pass(own_gate: Gate, mean: float) -> None:
    """The example is one to follow: a mean that is no number fires."""
    assert decide(_forecast(mean), own_gate, [select_checks(own_gate)[-1]]).verdict == "inconclusive"


def test_the_check_of_the_how_to_does_not_apply_before_a_champion(own_gate: Gate) -> None:
    """Where there is no shift there is nothing to judge, and the check says why."""
    [result] = decide(factories.evidence(champion=None), own_gate, [select_checks(own_gate)[-1]]).results

    assert (result.outcome, result.explanation, result.numbers) == ("not applicable", "no champion yet", {})
