"""Whether the challenger copes with faults that production has and a holdout lacks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable, is_number

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.robustness import PerturbationResult
    from include.gate.check import Numbers

#: The perturbations that cost even a good model some of its gain.
JUDGED_BY_LOSS = ("missing values", "numeric noise")


class Robust(Check):
    """The challenger predicts rows with missing values, unseen categories and noise, in any order and one at a time."""

    code, title = "GATE013", "robust against perturbed rows"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if a perturbation breaks the predictions, or costs more than gate.max_robustness_loss."""
        perturbations = _robustness(evidence)
        faults = [f"{each.name}: {each.error}" for each in perturbations if each.error]
        if faults:
            advice = "let the candidate's own preprocessing impute and encode, and predict each row independently"
            return f"the challenger fails on perturbed rows: {'; '.join(faults)}; {advice}, or leave that candidate out"
        if not _beats_baseline(evidence):
            return None  # without a gain there is nothing to lose; other checks judge that
        judged = [each for each in perturbations if each.name in JUDGED_BY_LOSS]
        unknown = [each.name for each in judged if not is_number(each.share_lost)]
        if unknown:
            return (
                f"the loss by {' and '.join(unknown)} is unknown, because the challenger's {evidence.metric} is "
                "not defined on such rows; hold out more rows with training.holdout_days"
            )
        lost = [
            f"{each.share_lost:.0%} by {each.name} ({evidence.metric} {each.metric:.4f})"
            for each in judged
            if each.share_lost > gate.max_robustness_loss
        ]
        if not lost:
            return None
        return (
            f"the challenger loses part of its gain over the baseline: {' and '.join(lost)}; gate.max_robustness_loss "
            f"allows {gate.max_robustness_loss:.0%}; it may depend on few features: add features with the same "
            "information, or raise the limit"
        )

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the metric and the share lost of each perturbation."""
        return {each.name: {"metric": each.metric, "share_lost": each.share_lost} for each in _robustness(evidence)}


def _robustness(evidence: Evidence) -> list[PerturbationResult]:
    if evidence.robustness is None:
        raise NotApplicable("robustness was not measured")
    if not evidence.robustness:
        raise NotApplicable("there are no held-out rows to perturb")
    return evidence.robustness


def _beats_baseline(evidence: Evidence) -> bool:
    """Return whether the challenger is better than the baseline."""
    value = evidence.challenger.metrics.get(evidence.metric, math.nan)
    other = (evidence.baseline.metrics or {}).get(evidence.metric, math.nan)
    return value > other if evidence.higher_is_better else value < other
