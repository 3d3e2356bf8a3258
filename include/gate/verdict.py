"""The gate: a function from evidence to a verdict, without any effect."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from include.evaluation.numbers import without_nan
from include.gate.check import NotApplicable
from include.gate.selection import checks_of, severity_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from include.config.pipeline import Gate, Severity
    from include.evaluation.evidence import Evidence
    from include.gate.check import Check

Outcome = Literal["pass", "fail", "inconclusive", "warn", "not applicable", "broken"]
_FIRED: dict[Severity, Outcome] = {"keep": "fail", "inconclusive": "inconclusive", "warn": "warn"}


@dataclass(frozen=True)
class CheckResult:
    """What one check came to.

    Attributes
    ----------
    explanation
        Why it fired, does not apply or broke; empty where it passed.
    numbers
        What it judged by, as JSON types.
    documentation
        Where the check is explained.
    """

    code: str
    title: str
    outcome: Outcome
    explanation: str
    numbers: dict[str, JsonValue] = field(default_factory=dict)
    documentation: str = ""


@dataclass(frozen=True)
class Verdict:
    """`promote`, `keep` or `inconclusive`, with what every check came to and why in one sentence."""

    verdict: Literal["promote", "keep", "inconclusive"]
    reason: str
    results: list[CheckResult]

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Verdict:
        """Make a verdict from the JSON types of `to_json`; an unknown field is an error."""
        results = [CheckResult(**result) for result in fields["results"]]
        return cls(**{**fields, "results": results})


def decide(evidence: Evidence, gate: Gate, checks: Sequence[Check] | None = None) -> Verdict:
    """Judge the evidence: one failed or broken check keeps the champion, whatever the others say.

    Every check is asked, so that the table names all that is wrong and not the first thing only.

    Parameters
    ----------
    checks
        By default those that `gate` selects.
    """
    results = [_ask(check, evidence, gate) for check in (checks_of(gate) if checks is None else checks)]
    kept = [result for result in results if result.outcome in ("fail", "broken")]
    unsure = [result for result in results if result.outcome == "inconclusive"]
    champion = f"the champion stays {evidence.champion.name}" if evidence.champion else "there is no champion yet"
    if kept:
        return Verdict("keep", f"keep ({champion}): {_told(kept)}", results)
    if unsure:
        return Verdict("inconclusive", f"inconclusive ({champion}): {_told(unsure)}", results)
    warned = [result for result in results if result.outcome == "warn"]
    told = f"; yet {_told(warned)}" if warned else ""
    return Verdict("promote", f"promote: {_gain(evidence)}{told}", results)


def _ask(check: Check, evidence: Evidence, gate: Gate) -> CheckResult:
    numbers: dict[str, JsonValue] = {}
    try:
        outcome, explanation = _judge(check, evidence, gate)
        if outcome != "not applicable":
            numbers = without_nan(check.numbers(evidence, gate))
            json.dumps(numbers)  # what cannot be written down would end the run, and not in this check's name
    except Exception as error:  # noqa: BLE001  whatever breaks a check, an unchecked model is not promoted
        outcome, explanation, numbers = "broken", f"the check itself failed: {error!r}", {}
    return CheckResult(check.code, check.title, outcome, explanation, numbers, check.documentation)


def _judge(check: Check, evidence: Evidence, gate: Gate) -> tuple[Outcome, str]:
    # only here may a check say that it does not apply: said by its numbers, it would take back that it has fired
    try:
        explanation = check.explain(evidence, gate)
    except NotApplicable as reason:
        return "not applicable", str(reason)
    return ("pass", "") if explanation is None else (_FIRED[severity_of(check, gate)], explanation)


def _told(results: list[CheckResult]) -> str:
    return "; ".join(f"{result.code} {result.explanation}" for result in results)


def _gain(evidence: Evidence) -> str:
    opponent = evidence.champion or evidence.baseline
    named = f"the champion ({opponent.name})" if evidence.champion else f"the baseline ({opponent.name})"
    difference = opponent.difference
    assert difference is not None, "a check that compares has passed"
    return (
        f"{evidence.metric} {evidence.challenger.metrics[evidence.metric]:.4f} is better than {named} by "
        f"{difference.value:.4f} ({difference.confidence:.0%} interval {difference.low:+.4f} to {difference.high:+.4f})"
    )
