"""The limits of a model, as far as they follow from what the run measured and did not measure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from include.core.formatting import format_share
from include.ingestion.days import count_days, some

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.evaluation.evidence import Evidence
    from include.gate.verdict import Verdict

#: Smaller losses of the gain over the baseline, as a share, are not listed.
MIN_LOSS = 0.1


def model_limits(pipeline: Pipeline, evidence: Evidence, verdict: Verdict) -> list[str]:
    """Return sentences about what the model was not trained for or not shown to do."""
    holdout, challenger = evidence.holdout, evidence.challenger
    return [
        f"The model has learned from rows of {challenger.train_start} to {challenger.train_end} and knows "
        "nothing of later changes.",
        f"It was measured on {holdout.days} days, {holdout.start} to {holdout.end}, and not on other times "
        "of the year.",
        *_label_limits(evidence),
        *_slice_limits(pipeline, evidence),
        *_robustness_limits(evidence),
        "Importance and contributions describe the model, not causes: changing a feature need not change the outcome.",
        *_verdict_limits(verdict),
    ]


def _label_limits(evidence: Evidence) -> list[str]:
    """Say which rows of the holdout's days were not measured, because they lack labels."""
    labels, limits = evidence.labels, []
    if labels and labels.left_out:
        limits.append(
            f"The labels of {count_days(labels.left_out)} ({some(labels.left_out)}) are missing, so earlier days "
            "were used instead."
        )
    if labels and labels.all.labelled < labels.all.rows:
        missing = labels.all.rows - labels.all.labelled
        limits.append(f"{missing:,} of the {labels.all.rows:,} rows of these days have no label and were not measured.")
    return limits


def _slice_limits(pipeline: Pipeline, evidence: Evidence) -> list[str]:
    """Say for which slices and groups the performance is unknown."""
    gate, slices, limits = pipeline.gate, evidence.slices or [], []
    if not gate.slices:
        limits.append("gate.slices names no column, so the performance on slices of the rows was not measured.")
    unknown = [each for each in slices if math.isnan(each.challenger)]
    if unknown:
        listed = ", ".join(f"{each.column} {each.value}" for each in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        limits.append(f"{evidence.metric} has no value on {listed}{more}.")
    if not gate.sensitive:
        limits.append("gate.sensitive names no column, so fairness between groups was not measured.")
    undecided = [each for each in evidence.fairness or [] if math.isnan(each.gap)]
    if undecided:
        columns = ", ".join(sorted({each.column for each in undecided}))
        limits.append(f"There are too few rows to judge the fairness between the groups of {columns}.")
    return limits


def _robustness_limits(evidence: Evidence) -> list[str]:
    found = evidence.robustness
    if not found:
        return ["The performance on perturbed rows was not measured."]
    limits = [f"With {each.name}, it failed: {each.error}." for each in found if each.error]
    losses = [each for each in found if each.share_lost >= MIN_LOSS]
    limits += [
        f"With {each.name}, it loses {format_share(each.share_lost)} of its gain over the baseline."
        for each in sorted(losses, key=lambda each: -each.share_lost)
    ]
    return limits


def _verdict_limits(verdict: Verdict) -> list[str]:
    limits = [f"{result.code} {result.explanation}." for result in verdict.results if result.outcome == "warn"]
    if verdict.verdict != "promote":
        limits.append("The gate did not promote it; whoever makes it champion anyway needs a reason.")
    return limits
