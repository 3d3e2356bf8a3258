"""The limits of a model, as far as they follow from what was measured and what was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core.formatting import format_share
from include.ingestion.days import count_days, some

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.config.pipeline import Pipeline

#: A loss of less of the gain over the baseline is not told.
TOLD_LOSS = 0.1


def limits_of(pipeline: Pipeline, evidence: Mapping[str, Any], verdict: Mapping[str, Any]) -> list[str]:
    """Return sentences on what the model was not made for, or not shown to do."""
    holdout, challenger = evidence["holdout"], evidence["challenger"]
    return [
        f"It has seen rows of {challenger['train_start']} to {challenger['train_end']}; of what has changed since it "
        "knows nothing.",
        f"It was measured on {holdout['days']} days, {holdout['start']} to {holdout['end']}; of other times "
        "of the year nothing was shown.",
        *_of_labels(evidence),
        *_of_parts(pipeline, evidence),
        *_of_robustness(evidence),
        "Importance and contributions tell what the model goes by. They are no causes: a change of a feature need not "
        "change what happens.",
        *_of_verdict(verdict),
    ]


def _of_labels(evidence: Mapping[str, Any]) -> list[str]:
    """Tell which rows of the days that it was measured on are not among those that it was measured on."""
    labels, told = evidence.get("labels"), []
    if labels and labels["left_out"]:
        told.append(
            f"The labels of {count_days(labels['left_out'])} ({some(labels['left_out'])}) are missing, so these days "
            "were left out and earlier ones taken instead."
        )
    if labels and labels["all"]["labelled"] < labels["all"]["rows"]:
        missing = labels["all"]["rows"] - labels["all"]["labelled"]
        told.append(f"{missing:,} of the {labels['all']['rows']:,} rows of these days have no label, and say nothing.")
    return told


def _of_parts(pipeline: Pipeline, evidence: Mapping[str, Any]) -> list[str]:
    """Tell which parts of the rows nothing is known about."""
    gate, slices, told = pipeline.gate, evidence.get("slices") or [], []
    if not gate.slices:
        told.append("gate.slices names no column, so whether it is worse on a part of the rows was not measured.")
    unknown = [each for each in slices if each["challenger"] is None]
    if unknown:
        listed = ", ".join(f"{each['column']} {each['value']}" for each in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        told.append(f"{evidence['metric']} has no value on {listed}{more}.")
    if not gate.sensitive:
        told.append("gate.sensitive names no column, so whether groups are treated alike was not measured.")
    undecided = [each for each in evidence.get("fairness") or [] if each["gap"] is None]
    if undecided:
        columns = ", ".join(sorted({each["column"] for each in undecided}))
        told.append(f"Of {columns} there are too few rows to tell whether all groups are treated alike.")
    return told


def _of_robustness(evidence: Mapping[str, Any]) -> list[str]:
    found = evidence.get("robustness")
    if not found:
        return ["What it does on disturbed rows was not measured."]
    told = [f"Tried with {each['name']}, it failed: {each['error']}." for each in found if each["error"]]
    losses = [each for each in found if each["share_lost"] is not None and each["share_lost"] >= TOLD_LOSS]
    told += [
        f"Tried with {each['name']}, it loses {format_share(each['share_lost'])} of what it gains over the baseline."
        for each in sorted(losses, key=lambda each: -each["share_lost"])
    ]
    return told


def _of_verdict(verdict: Mapping[str, Any]) -> list[str]:
    told = [
        f"{result['code']} {result['explanation']}." for result in verdict["results"] if result["outcome"] == "warn"
    ]
    if verdict["verdict"] != "promote":
        told.append("The gate did not promote it: whoever makes it champion all the same has to know why.")
    return told
