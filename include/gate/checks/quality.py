"""Whether the challenger is good: by itself, and compared with baseline and champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable, is_number

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence, Opponent


class AbsoluteMinimum(Check):
    """The challenger is good enough to be useful at all."""

    code, title = "GATE003", "reaches the minimum"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the metric is worse than gate.minimum."""
        value = evidence.challenger.metrics[evidence.metric]
        good = value >= gate.minimum if evidence.higher_is_better else value <= gate.minimum
        if not good:
            side = "below" if evidence.higher_is_better else "above"
            return f"{evidence.metric} {value:.4f} is {side} gate.minimum, {gate.minimum:g}"
        return None


class BeatsBaseline(Check):
    """The challenger is better than the baseline by more than noise."""

    code, title = "GATE004", "beats the baseline by more than noise"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire unless the whole interval of the difference is above 0."""
        return _not_better(evidence, evidence.baseline, f"the baseline ({evidence.baseline.name})")


class BeatsChampion(Check):
    """The challenger is better than the champion by more than noise; a tie keeps the champion."""

    code, title = "GATE005", "beats the champion by more than noise"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire unless the whole interval of the difference is above 0, or if the champion cannot be scored."""
        champion = evidence.champion
        if champion is None:
            raise NotApplicable("no champion yet")
        if champion.error:
            return (
                f"the champion, {champion.name}, cannot be scored ({champion.error}); promote a version that can "
                f"with ./nightshift promote {evidence.pipeline}, or remove the alias champion in MLflow to start over"
            )
        return _not_better(evidence, champion, f"the champion ({champion.name})")


def _not_better(evidence: Evidence, opponent: Opponent, named: str) -> str | None:
    """Return why the challenger is not better than an opponent by more than noise; None if it is."""
    difference = opponent.difference
    if difference is None or not (is_number(difference.value) and is_number(difference.low)):
        return f"the difference to {named} in {evidence.metric} is not defined on this holdout"
    if difference.low > 0:
        return None
    found = (
        f"better than {named} by {difference.value:.4f} {evidence.metric}"
        if difference.value > 0
        else f"worse than {named} by {-difference.value:.4f} {evidence.metric}"
        if difference.value < 0
        else f"exactly as good as {named}"
    )
    return (
        f"{found}; the {difference.confidence:.0%} interval {difference.low:+.4f} to {difference.high:+.4f} "
        "is not all above 0"
    )
