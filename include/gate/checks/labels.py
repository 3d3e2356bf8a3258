"""Whether the labels that a holdout is judged by are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.evaluation.label_coverage import CHANCE
from include.gate.check import Check, NotApplicable

if TYPE_CHECKING:
    from include.config.pipeline import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.label_coverage import Coverage, LabelCoverage
    from include.gate.check import Numbers


class KnownLabels(Check):
    """The holdout's days have about as many labels as days usually have."""

    code, title, severity = "GATE020", "the holdout's labels are known", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where more than gate.max_missing_labels of the labels to expect are missing, of all or of a slice."""
        labels = _measured(evidence)
        for coverage in [labels.all, *labels.slices]:
            if coverage.missing > gate.max_missing_labels and coverage.by_chance < CHANCE:
                return (
                    f"{_told(coverage)}: {coverage.missing:.0%} of the labels to expect are missing, and "
                    f"gate.max_missing_labels allows {gate.max_missing_labels:.0%}; see why they do not come, or, if "
                    "they take longer, raise training.gap_days"
                )
        return None

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the share that is missing of all rows, and of the slice that misses most."""
        labels = _measured(evidence)
        return {
            "rows": labels.all.rows,
            "labelled": labels.all.labelled,
            "missing": labels.all.missing,
            "worst_slice": {"name": labels.slices[0].name, "missing": labels.slices[0].missing}
            if labels.slices
            else None,
            "days_left_out": len(labels.left_out),
        }


def _measured(evidence: Evidence) -> LabelCoverage:
    if evidence.labels is None:
        raise NotApplicable("how many labels are known was not measured")
    return evidence.labels


def _told(coverage: Coverage) -> str:
    where = f" with {coverage.name}" if coverage.name else ""
    usual = "each has one" if coverage.usual > 0.995 else f"{coverage.usual:.0%} have one"
    return f"{coverage.labelled:,} of {coverage.rows:,} rows{where} have a label, and on the days before {usual}"
