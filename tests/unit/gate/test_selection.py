"""A pipeline chooses severities and adds its own checks, but cannot lower an essential check."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from include.config.gate import Gate
from include.config.pipeline import Pipeline
from include.core.errors import ConfigError
from include.gate.check import Check
from include.gate.checks import CHECKS
from include.gate.selection import SEVERITIES, check_gate, select_checks, severity_of
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from include.evaluation.evidence import Evidence

MODULE = "checks_of_the_shop"
OWN = """\
from include.gate.check import Check


class Own(Check):
    code, title, severity = "SHOP001", "is ours", "warn"

    def explain(self, evidence, gate):
        return None
"""


class Lenient(Check):
    """A check that a pipeline may lower."""

    code, title = "TEST001", "is not too much"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire always."""
        return "too much"


class Unsure(Lenient):
    """An essential check that is inconclusive."""

    code, title, severity, essential = "TEST002", "is enough", "inconclusive", True


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that writes the team's module where Python finds it."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield lambda text: (folder / f"{MODULE}.py").write_text(text, encoding="utf-8") and None
    sys.modules.pop(MODULE, None)


@pytest.fixture
def two_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gate have one check that may be lowered and one that may not."""
    monkeypatch.setattr("include.gate.selection.CHECKS", [Lenient(), Unsure()])


def _gate(**fields: object) -> Gate:
    return Gate.model_validate({"minimum": 0.6} | fields)


def _refused(**fields: object) -> str:
    with pytest.raises(ConfigError) as refused:
        select_checks(_gate(**fields))
    return str(refused.value)


def test_by_default_every_check_is_asked() -> None:
    """A gate without settings has all of Nightshift's checks, each with its own severity."""
    gate = _gate()

    assert select_checks(gate) == CHECKS
    assert [severity_of(check, gate) for check in CHECKS] == [check.severity for check in CHECKS]


def test_the_codes_are_in_order_and_each_severity_is_known() -> None:
    """The codes are sorted, and every severity is one of three."""
    codes = [check.code for check in CHECKS]

    assert codes == sorted(set(codes))
    assert {check.severity for check in CHECKS} <= set(SEVERITIES)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_severity_is_chosen(two_checks: None, severity: str) -> None:
    """A severity in pipeline.yaml applies to its check, and other checks keep theirs."""
    gate = _gate(severities={"TEST001": severity})

    assert [severity_of(check, gate) for check in select_checks(gate)] == [severity, "inconclusive"]


def test_a_check_is_turned_off(two_checks: None) -> None:
    """A check that is off does not run."""
    assert [check.code for check in select_checks(_gate(severities={"TEST001": "off"}))] == ["TEST002"]


@pytest.mark.parametrize("severity", ["warn", "off"])
def test_an_essential_check_is_not_lowered(two_checks: None, severity: str) -> None:
    """An essential check cannot be lowered, and the error names its severity."""
    assert _refused(severities={"TEST002": severity}) == (
        f"gate.severities: TEST002 (is enough) cannot be '{severity}', because the gate's promises depend on it; "
        "leave it at 'inconclusive'"
    )


@pytest.mark.parametrize("severity", ["inconclusive", "keep"])
def test_an_essential_check_may_be_as_strict_or_stricter(two_checks: None, severity: str) -> None:
    """Its own severity and a stricter one are accepted."""
    gate = _gate(severities={"TEST002": severity})

    assert severity_of(select_checks(gate)[1], gate) == severity


@pytest.mark.parametrize("code", [check.code for check in CHECKS if check.essential])
def test_no_promise_of_the_gate_is_turned_off(code: str) -> None:
    """Nightshift's essential checks cannot be turned off."""
    assert f"{code} (" in _refused(severities={code: "off"})


def test_the_promises_of_the_gate_are_essential() -> None:
    """The checks of NaN, ties, weak holdouts, models trained on the holdout, and the baseline are essential."""
    assert {f"GATE00{number}" for number in range(1, 9)} <= {check.code for check in CHECKS if check.essential}


def test_an_unknown_code_suggests_the_nearest() -> None:
    """A mistyped code is found, and the known codes are listed."""
    told = _refused(severities={"GATE029": "warn"})

    assert re.match(
        r"gate\.severities: there is no check 'GATE029'; did you mean 'GATE0\d\d'\? \(known: 'GATE001', ", told
    )


def test_an_unknown_severity_is_refused() -> None:
    """The schema knows four words."""
    with pytest.raises(ValueError, match="'ignore'"):
        _gate(severities={"GATE005": "ignore"})


def test_a_check_of_the_teams_own_comes_last(write_module: Callable[[str], None]) -> None:
    """It is imported by its path, runs after Nightshift's, and its severity can be chosen too."""
    write_module(OWN)
    gate = _gate(own_checks=[f"{MODULE}.Own"])

    *nightshifts, own = select_checks(gate)

    assert nightshifts == CHECKS
    assert (own.code, own.title, severity_of(own, gate)) == ("SHOP001", "is ours", "warn")
    strict = _gate(own_checks=[f"{MODULE}.Own"], severities={"SHOP001": "keep"})
    assert severity_of(select_checks(strict)[-1], strict) == "keep"
    assert select_checks(_gate(own_checks=[f"{MODULE}.Own"], severities={"SHOP001": "off"})) == CHECKS


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        pytest.param(
            f"{MODULE}.Other",
            OWN,
            "{path} cannot be imported (AttributeError: module '{module}' has no attribute 'Other'); correct the path, "
            "or install its package",
            id="no such class",
        ),
        pytest.param(
            "no_such_module.Own",
            OWN,
            "{path} cannot be imported (ModuleNotFoundError: No module named 'no_such_module'); correct the path, or "
            "install its package",
            id="no such module",
        ),
        pytest.param("Own", OWN, "Own cannot be imported (ValueError: Empty module name); correct ", id="no module"),
        pytest.param(
            f"{MODULE}.Own",
            "raise ValueError('not\\n  now')",
            "{path} cannot be imported (ValueError: not now); correct ",
            id="a module that raises",
        ),
        pytest.param(
            f"{MODULE}.Own",
            "class Own: ...",
            "{path} is not a check; name a class that derives from include.gate.check.Check",
            id="another class",
        ),
        pytest.param(
            f"{MODULE}.own",
            OWN + "\n\nown = Own()",
            "{path} is not a check; name a class that derives from include.gate.check.Check",
            id="an object",
        ),
        pytest.param(
            f"{MODULE}.Own",
            OWN.replace("code, title, severity = ", "_ = "),
            "{path} has no code and no title; give the class both, as text",
            id="neither code nor title",
        ),
        pytest.param(
            f"{MODULE}.Own",
            OWN.replace('"SHOP001"', "1"),
            "{path} has no code; give the class both, as text",
            id="a code that is no text",
        ),
        pytest.param(
            f"{MODULE}.Own",
            OWN.replace('"warn"', '"warning"'),
            "{path}: there is no severity 'warning'; did you mean 'warn'? (known: 'keep', 'inconclusive', 'warn')",
            id="an unknown severity",
        ),
        pytest.param(
            f"{MODULE}.Own",
            OWN + "\n    def __init__(self, bound):\n        self.bound = bound\n",
            "{path} cannot be created without arguments (Own.__init__() missing 1 required positional argument: "
            "'bound'); give each argument of its constructor a default",
            id="arguments",
        ),
        pytest.param(
            f"{MODULE}.Own",
            OWN.replace("SHOP001", "GATE003"),
            "several checks have the code GATE003; a code names one check, so give yours another",
            id="a code of Nightshift's",
        ),
    ],
)
def test_an_invalid_check_is_refused(path: str, text: str, told: str, write_module: Callable[[str], None]) -> None:
    """Each mistake in an own check leads to a sentence that names it and how to fix it."""
    write_module(text)

    expected = "gate.own_checks: " + told.format(path=path, module=MODULE)
    assert _refused(own_checks=[path]).startswith(expected)


def test_a_check_named_twice_is_refused(write_module: Callable[[str], None]) -> None:
    """The same check twice is a mistake."""
    write_module(OWN)

    assert _refused(own_checks=[f"{MODULE}.Own"] * 2).startswith(
        "gate.own_checks: several checks have the code SHOP001;"
    )


def test_the_pipeline_is_named() -> None:
    """The error names the pipeline, and a valid pipeline passes."""
    fields = yaml.safe_load(factories.SHOP_YAML)

    def pipeline(**gate: object) -> Pipeline:
        return Pipeline.model_validate(fields | {"gate": fields["gate"] | gate})

    check_gate(pipeline())
    wrong = pipeline(severities={"GATE001": "off"})
    with pytest.raises(ConfigError, match=rf"^{wrong.name}: gate\.severities: GATE001"):
        check_gate(wrong)
