"""Whether the challenger stands what production brings and a holdout does not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable, is_number

if TYPE_CHECKING:
    from include.config.pipeline import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.robustness import PerturbationResult
    from include.gate.check import Numbers

#: The disturbances that cost some of the gain even of a good model.
JUDGED_BY_LOSS = ("missing values", "numeric noise")


class Robust(Check):
    """The challenger predicts rows with gaps, new categories and noise, in any order and one at a time."""

    code, title = "GATE013", "robust against what production brings"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where a disturbance breaks the predictions, or costs more than gate.max_robustness_loss."""
        disturbances = _measured(evidence)
        faults = [f"{each.name}: {each.error}" for each in disturbances if each.error]
        if faults:
            advice = "let the candidate's own preprocessing impute, encode and predict each row by itself"
            return f"the challenger does not stand {'; '.join(faults)}; {advice}, or leave that candidate out"
        if not _gains(evidence):
            return None  # nothing to lose, which other checks judge
        judged = [each for each in disturbances if each.name in JUDGED_BY_LOSS]
        unknown = [each.name for each in judged if not is_number(each.share_lost)]
        if unknown:
            return (
                f"what the challenger loses by {' and '.join(unknown)} cannot be told, since its {evidence.metric} is "
                "not defined on such rows; hold more rows out with training.holdout_days"
            )
        lost = [
            f"{each.share_lost:.0%} by {each.name} ({evidence.metric} {each.metric:.4f})"
            for each in judged
            if each.share_lost > gate.max_robustness_loss
        ]
        if not lost:
            return None
        return (
            f"of its gain over the baseline the challenger loses {' and '.join(lost)}, gate.max_robustness_loss allows "
            f"{gate.max_robustness_loss:.0%}; it may lean on few features: give it others that say the same, or allow "
            "more"
        )

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return metric and share lost of each disturbance."""
        return {each.name: {"metric": each.metric, "share_lost": each.share_lost} for each in _measured(evidence)}


def _measured(evidence: Evidence) -> list[PerturbationResult]:
    if evidence.robustness is None:
        raise NotApplicable("robustness was not measured")
    if not evidence.robustness:
        raise NotApplicable("there are no held-out rows to disturb")
    return evidence.robustness


def _gains(evidence: Evidence) -> bool:
    """Return whether the challenger is any better than the baseline."""
    value = evidence.challenger.metrics.get(evidence.metric, math.nan)
    other = (evidence.baseline.metrics or {}).get(evidence.metric, math.nan)
    return value > other if evidence.higher_is_better else value < other
