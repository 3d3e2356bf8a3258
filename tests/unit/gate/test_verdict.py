"""The gate promotes a challenger that has earned it, and otherwise keeps the champion."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from include.evaluation.evidence import Evidence, HoldoutSummary, Opponent
from include.evaluation.refits import Refits
from include.gate.check import Check, NotApplicable
from include.gate.checks import CHECKS
from include.gate.verdict import Verdict, decide
from tests import factories

if TYPE_CHECKING:
    from include.config.gate import Gate

NAN = math.nan
QUIET = ("pass", "not applicable")


def _outcomes(verdict: Verdict) -> dict[str, str]:
    return {result.code: result.outcome for result in verdict.results}


def _compared(value: float, low: float, high: float) -> Evidence:
    """Return evidence with this difference to the champion, and the baseline beaten."""
    champion = replace(factories.champion(0.7 - value), difference=factories.difference(value, low, high))
    return factories.evidence(champion=champion)


def test_a_better_challenger_is_promoted(gate: Gate) -> None:
    """The reason has the difference, the opponent and the interval."""
    verdict = decide(factories.evidence(refits=Refits([1007, 2007], [0.701, 0.699])), gate)

    assert verdict.verdict == "promote"
    assert verdict.reason == (
        "promote: roc_auc 0.7000 is better than the champion (version 3) by 0.0500 (95% interval +0.0200 to +0.0800)"
    )
    assert set(_outcomes(verdict).values()) == {"pass"}


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        pytest.param(_compared(0.0, 0.0, 0.0), "exactly as good as the champion (version 3)", id="a tie"),
        pytest.param(_compared(0.01, 0.0, 0.02), "better than the champion (version 3) by 0.0100", id="down to 0"),
        pytest.param(_compared(0.01, -0.01, 0.03), "better than the champion (version 3) by 0.0100", id="noise"),
        pytest.param(_compared(-0.02, -0.04, -0.01), "worse than the champion (version 3) by 0.0200", id="worse"),
        pytest.param(_compared(NAN, NAN, NAN), "is not defined on this holdout", id="an undefined difference"),
        pytest.param(_compared(0.05, NAN, NAN), "is not defined on this holdout", id="an undefined interval"),
    ],
)
def test_a_tie_or_less_keeps_the_champion(evidence: Evidence, told: str, gate: Gate) -> None:
    """Only a challenger that is better by more than noise replaces the champion."""
    verdict = decide(evidence, gate)

    assert verdict.verdict == "keep"
    assert verdict.reason.startswith("keep (the champion stays version 3): GATE005 ")
    assert told in verdict.reason


def test_a_nan_keeps_the_champion(gate: Gate) -> None:
    """Every check of the metric fires on a NaN, and none breaks."""
    undefined = factories.difference(NAN, NAN, NAN)
    evidence = factories.evidence(
        challenger=factories.challenger(NAN, finite=False),
        baseline=Opponent("prior", {"roc_auc": 0.5}, undefined),
        champion=replace(factories.champion(), difference=undefined),
    )

    verdict = decide(evidence, gate)

    assert verdict.verdict == "keep"
    failed = [code for code, outcome in _outcomes(verdict).items() if outcome == "fail"]
    assert failed == ["GATE001", "GATE003", "GATE004", "GATE005"]
    assert "broken" not in _outcomes(verdict).values()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"challenger": factories.challenger(finite=False)}, id="GATE001"),
        pytest.param({"challenger": factories.challenger(0.55)}, id="GATE003"),
        pytest.param(
            {"baseline": Opponent("prior", {"roc_auc": 0.69}, factories.difference(0.01, -0.01, 0.03))}, id="GATE004"
        ),
        pytest.param(
            {"champion": factories.champion(metrics=None, difference=None, error="ModelRefused: x")}, id="GATE005"
        ),
        pytest.param({"champion": factories.champion(as_of="2024-03-01")}, id="GATE007"),
        pytest.param({"challenger": factories.challenger(train_end="2024-02-01")}, id="GATE008"),
    ],
)
def test_each_failed_check_alone_keeps_the_champion(
    changes: dict[str, object], gate: Gate, request: pytest.FixtureRequest
) -> None:
    """One failed check is enough, and its code is in the reason."""
    code = request.node.callspec.id

    verdict = decide(factories.evidence(**changes), gate)

    assert verdict.verdict == "keep"
    assert verdict.reason.startswith(f"keep (the champion stays version 3): {code} ")
    assert [each for each, outcome in _outcomes(verdict).items() if outcome not in QUIET] == [code]


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("GATE002", {"holdout": HoldoutSummary(date(2024, 2, 1), date(2024, 2, 28), rows=40, days=28, label_mean=0.3)}),
        ("GATE006", {"champion": factories.champion(train_end="2024-02-10")}),
    ],
)
def test_weak_evidence_is_inconclusive(code: str, changes: dict[str, object], gate: Gate) -> None:
    """Evidence that cannot decide promotes nothing, and does not call the challenger bad."""
    verdict = decide(factories.evidence(**changes), gate)

    assert verdict.verdict == "inconclusive"
    assert verdict.reason.startswith(f"inconclusive (the champion stays version 3): {code} ")
    assert _outcomes(verdict)[code] == "inconclusive"


def test_a_failed_check_outweighs_an_inconclusive_one(gate: Gate) -> None:
    """If one check fails and another is inconclusive, the verdict is keep, for the failed check's reason."""
    evidence = factories.evidence(
        holdout=HoldoutSummary(date(2024, 2, 1), date(2024, 2, 28), rows=40, days=28, label_mean=0.3),
        challenger=factories.challenger(0.55),
    )

    verdict = decide(evidence, gate)

    assert verdict.verdict == "keep"
    assert "GATE003" in verdict.reason
    assert "GATE002" not in verdict.reason
    assert _outcomes(verdict)["GATE002"] == "inconclusive"


def test_every_fault_is_named(gate: Gate) -> None:
    """All checks run, so the reason names every failed check, not only the first."""
    evidence = factories.evidence(
        challenger=factories.challenger(0.55, train_end="2024-02-03"), champion=factories.champion(as_of="2024-03-01")
    )

    verdict = decide(evidence, gate)

    assert [code for code in _outcomes(verdict) if code in verdict.reason] == ["GATE003", "GATE007", "GATE008"]


class Breaks(Check):
    """A check with a bug."""

    code, title, severity = "TEST001", "breaks", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Raise an unexpected error."""
        raise ZeroDivisionError("division by zero")


class NeverApplies(Check):
    """A check that has nothing to judge."""

    code, title = "TEST002", "never applies"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Say that it does not apply."""
        raise NotApplicable("nothing to judge")


def test_a_broken_check_keeps_the_champion(gate: Gate) -> None:
    """An unchecked model is not promoted, the error is in the reason, and the other checks still run."""
    verdict = decide(factories.evidence(), gate, [Breaks(), *CHECKS])

    assert verdict.verdict == "keep"
    assert "TEST001 the check itself failed: ZeroDivisionError('division by zero')" in verdict.reason
    assert _outcomes(verdict)["TEST001"] == "broken"
    assert len(verdict.results) == len(CHECKS) + 1


def test_a_missing_metric_breaks_a_check_and_keeps(gate: Gate) -> None:
    """Evidence that lacks the gate's metric promotes nothing, whatever error it causes."""
    evidence = factories.evidence(challenger=replace(factories.challenger(), metrics={}))

    assert decide(evidence, gate).verdict == "keep"


def test_a_champion_without_its_days_keeps(gate: Gate) -> None:
    """A champion with unknown training days cannot be compared fairly, so it stays."""
    verdict = decide(factories.evidence(champion=factories.champion(as_of=None, train_end=None)), gate)

    assert verdict.verdict == "keep"
    assert {_outcomes(verdict)[code] for code in ("GATE006", "GATE007")} == {"broken"}


def test_a_check_that_does_not_apply_blocks_nothing(gate: Gate) -> None:
    """A check that does not apply is neither a fault nor a doubt, and its reason is kept for the report."""
    verdict = decide(factories.evidence(), gate, [*CHECKS, NeverApplies()])

    assert verdict.verdict == "promote"
    assert verdict.results[-1].outcome == "not applicable"
    assert verdict.results[-1].explanation == "nothing to judge"


class Counts(Check):
    """An own check that keeps numbers and has its own documentation."""

    code, title, severity = "TEST003", "is not too much", "warn"
    documentation = "https://wiki.example/too-much"  # type: ignore[assignment]
    found: str | None = "it is too much"
    kept: object = {"found": 3, "each": [1.5, NAN], "limit": math.inf}

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Return what the test wants."""
        return self.found

    def numbers(self, evidence: Evidence, gate: Gate) -> dict[str, Any]:
        """Return what the test wants."""
        if isinstance(self.kept, Exception):
            raise self.kept
        return self.kept  # type: ignore[return-value]


def _counting(**attributes: object) -> Check:
    check = Counts()
    for name, value in attributes.items():
        setattr(check, name, value)
    return check


def test_a_warning_blocks_nothing_and_is_reported(gate: Gate) -> None:
    """A challenger is promoted despite a warning, which the reason has; a kept champion needs none."""
    verdict = decide(factories.evidence(), gate, [*CHECKS, Counts()])

    assert verdict.verdict == "promote"
    assert verdict.reason.endswith("(95% interval +0.0200 to +0.0800); warnings: TEST003 it is too much")
    assert _outcomes(verdict)["TEST003"] == "warn"
    kept = decide(_compared(0.0, 0.0, 0.0), gate, [*CHECKS, Counts()])
    assert kept.verdict == "keep"
    assert "TEST003" not in kept.reason


def test_a_pipeline_chooses_the_severity(gate: Gate) -> None:
    """The same finding warns, is inconclusive, or keeps the champion, as gate.severities says."""
    for severity, outcome, verdict in [
        ("warn", "warn", "promote"),
        ("inconclusive", "inconclusive", "inconclusive"),
        ("keep", "fail", "keep"),
    ]:
        found = decide(factories.evidence(), gate.model_copy(update={"severities": {"TEST003": severity}}), [Counts()])

        assert (found.results[0].outcome, found.verdict) == (outcome, verdict)


def test_by_default_the_gate_runs_its_own_checks(gate: Gate) -> None:
    """The pipeline's gate selects the checks, and one that is off does not run."""
    asked = [result.code for result in decide(factories.evidence(), gate).results]

    assert asked == [check.code for check in CHECKS]


@pytest.mark.parametrize("found", [None, "it is too much"], ids=["passed", "fired"])
def test_the_numbers_are_kept_as_json(found: str | None, gate: Gate) -> None:
    """The numbers of a check are in the record whether it fired or not; NaN becomes null."""
    verdict = decide(factories.evidence(), gate, [_counting(found=found)])

    [result] = verdict.results
    assert result.numbers == {"found": 3, "each": [1.5, None], "limit": None}
    assert result.documentation == "https://wiki.example/too-much"
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_nightshifts_checks_are_explained_on_their_pages(gate: Gate) -> None:
    """A result names the page that explains its check."""
    results = decide(factories.evidence(), gate, CHECKS).results

    assert [result.documentation for result in results] == [f"docs/checks/{check.code}.md" for check in CHECKS]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        (KeyError("mean"), "KeyError('mean')"),
        (NotApplicable("no mean"), "NotApplicable('no mean')"),
        ({"found": object()}, "TypeError('Object of type object is not JSON serializable')"),
    ],
    ids=["raises", "does not apply", "no JSON"],
)
@pytest.mark.parametrize("found", [None, "it is too much"], ids=["passed", "fired"])
def test_numbers_that_cannot_be_kept_break_the_check(numbers: object, told: str, found: str | None, gate: Gate) -> None:
    """A check whose numbers fail keeps the champion, and cannot take back that it has fired.

    Numbers that raised NotApplicable once made a check that had fired one that does not apply, and the challenger
    was promoted.
    """
    verdict = decide(factories.evidence(), gate, [*CHECKS, _counting(found=found, kept=numbers, severity="keep")])

    assert verdict.verdict == "keep"
    assert verdict.results[-1].outcome == "broken"
    assert verdict.results[-1].explanation == f"the check itself failed: {told}"
    json.dumps(verdict.to_json())


def test_the_first_version_is_promoted_for_beating_the_baseline(gate: Gate) -> None:
    """Without a champion the reason compares with the baseline."""
    verdict = decide(factories.evidence(champion=None), gate)

    assert verdict.verdict == "promote"
    assert verdict.reason.startswith("promote: roc_auc 0.7000 is better than the baseline (prior) by 0.2000 (95% ")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"baseline": Opponent("prior", {"roc_auc": 0.7}, factories.difference(0.0, 0.0, 0.0))}, "GATE004"),
        ({"challenger": factories.challenger(0.55)}, "GATE003"),
        ({"challenger": factories.challenger(finite=False)}, "GATE001"),
    ],
)
def test_the_first_version_is_not_promoted_unchecked(changes: dict[str, object], code: str, gate: Gate) -> None:
    """The first version must beat the baseline and reach the minimum like any other."""
    verdict = decide(factories.evidence(champion=None, **changes), gate)

    assert verdict.verdict == "keep"
    assert verdict.reason.startswith(f"keep (there is no champion yet): {code} ")


def test_a_lower_error_is_promoted(gate: Gate) -> None:
    """Where lower is better the same rules apply, and the difference is above 0 for the better model."""
    evidence = factories.evidence(
        metric="mae",
        higher_is_better=False,
        challenger=replace(factories.challenger(), metrics={"mae": 0.4}),
        champion=replace(factories.champion(), metrics={"mae": 0.5}, difference=factories.difference(0.1, 0.05, 0.15)),
    )

    verdict = decide(evidence, gate)

    assert verdict.verdict == "promote"
    assert "mae 0.4000 is better than the champion (version 3) by 0.1000" in verdict.reason


@pytest.mark.parametrize("evidence", [factories.evidence(), _compared(0.0, 0.0, 0.0)], ids=["promote", "keep"])
def test_a_verdict_that_was_written_is_read(evidence: Evidence, gate: Gate) -> None:
    """A verdict comes back from JSON as it was."""
    verdict = decide(evidence, gate)

    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_the_same_evidence_gives_the_same_verdict(gate: Gate) -> None:
    """Deciding has no side effects and no memory."""
    evidence = factories.evidence()

    assert decide(evidence, gate) == decide(evidence, gate)
