"""The gate: a function from evidence to a verdict, without side effects."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue  # noqa: TC002  pydantic reads the fields

from include.core.json_document import JsonDocument, to_json_types
from include.gate.check import NotApplicable, NotMeasured
from include.gate.selection import select_checks, severity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.config.gate import Gate, Severity
    from include.evaluation.evidence import Evidence
    from include.gate.check import Check

Outcome = Literal["pass", "fail", "inconclusive", "warn", "not applicable", "broken"]
_FIRED: dict[Severity, Outcome] = {"keep": "fail", "inconclusive": "inconclusive", "warn": "warn"}


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes
    ----------
    explanation
        Why the check fired, does not apply or broke; empty if it passed.
    numbers
        The numbers that it judged by, as JSON types.
    documentation
        Path or address of the page that explains the check.
    """

    code: str
    title: str
    outcome: Outcome
    explanation: str
    numbers: dict[str, JsonValue] = field(default_factory=dict)
    documentation: str = ""


@dataclass(frozen=True)
class Verdict(JsonDocument):
    """`promote`, `keep` or `inconclusive`, with the reason in one sentence and the result of every check."""

    verdict: Literal["promote", "keep", "inconclusive"]
    reason: str
    results: list[CheckResult]


def decide(evidence: Evidence, gate: Gate, checks: Sequence[Check] | None = None) -> Verdict:
    """Judge the evidence: a single failed or broken check keeps the champion.

    Every check runs, so that the report names everything that is wrong, not only the first fault.

    Parameters
    ----------
    checks
        By default the checks that `gate` selects.
    """
    results = [_run_check(check, evidence, gate) for check in (select_checks(gate) if checks is None else checks)]
    failed = [result for result in results if result.outcome in ("fail", "broken")]
    unsure = [result for result in results if result.outcome == "inconclusive"]
    champion = f"the champion stays {evidence.champion.name}" if evidence.champion else "there is no champion yet"
    if failed:
        return Verdict("keep", f"keep ({champion}): {_list_explanations(failed)}", results)
    if unsure:
        return Verdict("inconclusive", f"inconclusive ({champion}): {_list_explanations(unsure)}", results)
    warned = [result for result in results if result.outcome == "warn"]
    warnings = f"; warnings: {_list_explanations(warned)}" if warned else ""
    return Verdict("promote", f"promote: {_describe_gain(evidence)}{warnings}", results)


def _run_check(check: Check, evidence: Evidence, gate: Gate) -> CheckResult:
    numbers: dict[str, JsonValue] = {}
    try:
        outcome, explanation = _judge(check, evidence, gate)
        if outcome != "not applicable":
            numbers = to_json_types(check.numbers(evidence, gate))
            json.dumps(numbers)  # fails here, so that the error names this check
    except Exception as error:  # noqa: BLE001  a model is not promoted unchecked, whatever the error
        outcome, explanation, numbers = "broken", f"the check itself failed: {error!r}", {}
    return CheckResult(check.code, check.title, outcome, explanation, numbers, check.documentation)


def _judge(check: Check, evidence: Evidence, gate: Gate) -> tuple[Outcome, str]:
    # NotApplicable raised by `numbers` is an error instead: it would take back that the check has fired
    try:
        explanation = check.explain(evidence, gate)
    except NotApplicable as reason:
        return "not applicable", str(reason)
    except NotMeasured as reason:  # visible every night, so that somebody gives the run what it needs
        return "warn", str(reason)
    return ("pass", "") if explanation is None else (_FIRED[severity_of(check, gate)], explanation)


def _list_explanations(results: list[CheckResult]) -> str:
    return "; ".join(f"{result.code} {result.explanation}" for result in results)


def _describe_gain(evidence: Evidence) -> str:
    opponent = evidence.champion or evidence.baseline
    named = f"the champion ({opponent.name})" if evidence.champion else f"the baseline ({opponent.name})"
    difference = opponent.difference
    assert difference is not None, "a check that compares has passed"
    return (
        f"{evidence.metric} {evidence.challenger.metrics[evidence.metric]:.4f} is better than {named} by "
        f"{difference.value:.4f} ({difference.confidence:.0%} interval {difference.low:+.4f} to {difference.high:+.4f})"
    )
