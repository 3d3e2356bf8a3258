"""Whether the labels of the holdout have arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.evaluation.label_coverage import CHANCE
from include.gate.check import Check, NotApplicable

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.label_coverage import Coverage, LabelCoverage
    from include.gate.check import Numbers


class KnownLabels(Check):
    """The days of the holdout have about as many labels as the days before."""

    code, title, severity = "GATE020", "the holdout's labels are known", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if more than gate.max_missing_labels of the expected labels are missing, overall or in a slice."""
        labels = _label_coverage(evidence)
        for coverage in [labels.all, *labels.slices]:
            if coverage.missing > gate.max_missing_labels and coverage.by_chance < CHANCE:
                return (
                    f"{_describe_coverage(coverage)}: {coverage.missing:.0%} of the expected labels are missing, and "
                    f"gate.max_missing_labels allows {gate.max_missing_labels:.0%}; find out why they are missing, or "
                    "raise training.gap_days if they take longer"
                )
        return None

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the share of labels missing overall, and in the slice with the largest share."""
        labels = _label_coverage(evidence)
        return {
            "rows": labels.all.rows,
            "labelled": labels.all.labelled,
            "missing": labels.all.missing,
            "worst_slice": {"name": labels.slices[0].name, "missing": labels.slices[0].missing}
            if labels.slices
            else None,
            "days_left_out": len(labels.left_out),
        }


def _label_coverage(evidence: Evidence) -> LabelCoverage:
    if evidence.labels is None:
        raise NotApplicable("the label coverage was not measured")
    return evidence.labels


def _describe_coverage(coverage: Coverage) -> str:
    where = f" with {coverage.name}" if coverage.name else ""
    usual = "each has one" if coverage.usual > 0.995 else f"{coverage.usual:.0%} have one"
    return f"{coverage.labelled:,} of {coverage.rows:,} rows{where} have a label, and on the days before {usual}"
