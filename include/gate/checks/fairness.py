"""Whether the challenger treats groups alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable, is_number

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.fairness import GroupGap
    from include.gate.check import Numbers

#: Gaps that the explanation names.
NAMED = 3


class GroupsAlike(Check):
    """No two groups of a sensitive column differ by more than gate.max_fairness_gap."""

    code, title = "GATE010", "groups are treated alike"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the whole interval of a gap is above gate.max_fairness_gap, or no gap of a column can be judged."""
        gaps = _gaps(evidence, gate)
        wide = _wide(gaps, gate)
        if wide:
            more = f" and {len(wide) - NAMED} more" if len(wide) > NAMED else ""
            gaps_text = ", ".join(_describe_gap(each, gate) for each in wide[:NAMED])
            return (
                f"groups are treated differently: {gaps_text}{more}; gate.max_fairness_gap allows "
                f"{gate.max_fairness_gap:g}: find the feature that stands in for the group, or raise the limit if "
                "there is a good reason"
            )
        unjudged = _unjudged(gaps, gate)
        if unjudged:
            return (
                f"the groups of {', '.join(unjudged)} cannot be compared: fewer than two have gate.min_slice_rows "
                f"({gate.min_slice_rows:,}) held-out rows of enough days and a defined value; lengthen "
                "training.holdout_days, lower gate.min_slice_rows, or take the column from gate.sensitive"
            )
        return None

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return each gap with its interval, and the limit."""
        return {
            "limit": gate.max_fairness_gap,
            "gaps": [
                {"column": each.column, "measure": each.measure, "gap": each.gap, "low": each.low, "high": each.high}
                for each in _gaps(evidence, gate)
            ],
        }


def _gaps(evidence: Evidence, gate: Gate) -> list[GroupGap]:
    if not gate.sensitive:
        raise NotApplicable("gate.sensitive names no column")
    if evidence.fairness is None:
        raise NotApplicable("fairness was not measured")
    return evidence.fairness


def _is_judged(gap: GroupGap) -> bool:
    return is_number(gap.gap) and is_number(gap.low)


def _wide(gaps: list[GroupGap], gate: Gate) -> list[GroupGap]:
    """Return the gaps that are above the limit by more than noise, the largest first."""
    found = [each for each in gaps if _is_judged(each) and each.low > gate.max_fairness_gap]
    return sorted(found, key=lambda each: -each.gap)


def _unjudged(gaps: list[GroupGap], gate: Gate) -> list[str]:
    """Return the columns whose groups cannot be compared in any fairness measure."""
    judged = {each.column for each in gaps if _is_judged(each)}
    return [column for column in gate.sensitive if column not in judged]


def _describe_gap(gap: GroupGap, gate: Gate) -> str:
    known = sorted((each.value, value) for value, each in gap.groups.items() if is_number(each.value))
    (least, low), (most, high) = known[0], known[-1]
    return (
        f"by {gap.column} the {gap.measure} is {least:.3f} for {low} ({gap.groups[low].rows:,} rows) and "
        f"{most:.3f} for {high} ({gap.groups[high].rows:,} rows), a gap of {gap.gap:.3f} "
        f"({gate.confidence:.0%} interval {gap.low:.3f} to {gap.high:.3f})"
    )
