"""The gate: a function from evidence to a verdict, without any effect."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from include.evaluation.checks import CHECKS, Check, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.config import Gate
    from include.evaluation.evidence import Evidence

Outcome = Literal["pass", "fail", "inconclusive", "not applicable", "broken"]


@dataclass(frozen=True)
class CheckResult:
    """What one check came to."""

    code: str
    title: str
    outcome: Outcome
    explanation: str


@dataclass(frozen=True)
class Verdict:
    """`promote`, `keep` or `inconclusive`, with what every check came to and why in one sentence."""

    verdict: Literal["promote", "keep", "inconclusive"]
    reason: str
    results: list[CheckResult]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Verdict:
        """Make a verdict of what `to_json` gave."""
        return cls(**fields | {"results": [CheckResult(**result) for result in fields["results"]]})


def decide(evidence: Evidence, gate: Gate, checks: Sequence[Check] = CHECKS) -> Verdict:
    """Judge the evidence: one failed or broken check keeps the champion, whatever the others say.

    Every check is asked, so that the table names all that is wrong and not the first thing only.
    """
    results = [_ask(check, evidence, gate) for check in checks]
    kept = [result for result in results if result.outcome in ("fail", "broken")]
    unsure = [result for result in results if result.outcome == "inconclusive"]
    champion = f"the champion stays {evidence.champion.name}" if evidence.champion else "there is no champion yet"
    if kept:
        return Verdict("keep", f"keep ({champion}): {_told(kept)}", results)
    if unsure:
        return Verdict("inconclusive", f"inconclusive ({champion}): {_told(unsure)}", results)
    return Verdict("promote", f"promote: {_gain(evidence)}", results)


def _ask(check: Check, evidence: Evidence, gate: Gate) -> CheckResult:
    try:
        explanation = check.explain(evidence, gate)
    except NotApplicable as reason:
        return CheckResult(check.code, check.title, "not applicable", str(reason))
    except Exception as error:  # noqa: BLE001  whatever breaks a check, an unchecked model is not promoted
        return CheckResult(check.code, check.title, "broken", f"the check itself failed: {error!r}")
    if explanation is None:
        return CheckResult(check.code, check.title, "pass", "")
    return CheckResult(check.code, check.title, check.outcome, explanation)


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
