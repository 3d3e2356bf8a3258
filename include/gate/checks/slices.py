"""Whether the challenger is better overall at the cost of some slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable, is_number

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.slices import SliceResult
    from include.gate.check import Numbers

#: Slices that the explanation names.
NAMED = 3


class NoWorseSlice(Check):
    """On no slice of the holdout is the challenger worse than the champion by more than noise."""

    code, title = "GATE009", "no slice is worse than with the champion"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the whole interval of a slice's difference is below 0, or no slice of a column can be judged."""
        slices = _slices(evidence, gate)
        worse = _worse(slices)
        if worse:
            more = f" and {len(worse) - NAMED} more" if len(worse) > NAMED else ""
            worst = ", ".join(_describe_slice(each, evidence.metric) for each in worse[:NAMED])
            return (
                f"worse than the champion ({_champion(evidence)}) by more than noise on {len(worse)} of {len(slices)} "
                f"slices: {worst}{more}; find out why these rows got worse, or remove the column from gate.slices if "
                "that is acceptable"
            )
        unjudged = _unjudged(slices, gate)
        if unjudged:
            return (
                f"no slice of {', '.join(unjudged)} can be judged: none has both gate.min_slice_rows "
                f"({gate.min_slice_rows:,}) rows of enough days and a defined {evidence.metric}, or gate.slices makes "
                "too many slices; raise training.holdout_days, or name fewer columns or columns with fewer values"
            )
        return None

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return how many slices there are, how many could be judged, and the worst."""
        slices = _slices(evidence, gate)
        judged = sorted((each for each in slices if _is_judged(each)), key=_gain)
        return {
            "slices": len(slices),
            "judged": len(judged),
            "worse": len(_worse(slices)),
            "worst": [
                {
                    "column": each.column,
                    "value": each.value,
                    "rows": each.rows,
                    "challenger": each.challenger,
                    "champion": each.champion,
                    "difference": _gain(each),
                    "low": each.difference.low if each.difference else None,
                    "high": each.difference.high if each.difference else None,
                }
                for each in judged[:NAMED]
            ],
        }


def _slices(evidence: Evidence, gate: Gate) -> list[SliceResult]:
    if not gate.slices:
        raise NotApplicable("gate.slices names no column")
    if evidence.champion is None:
        raise NotApplicable("no champion yet")
    if evidence.champion.error:
        raise NotApplicable(f"the champion, {_champion(evidence)}, cannot be scored")
    if evidence.slices is None:
        raise NotApplicable("slices were not measured")
    return evidence.slices


def _champion(evidence: Evidence) -> str:
    assert evidence.champion is not None, "slices are compared with a champion"
    return evidence.champion.name


def _is_judged(result: SliceResult) -> bool:
    return result.difference is not None and is_number(result.difference.value) and is_number(result.difference.high)


def _gain(result: SliceResult) -> float:
    assert result.difference is not None, "a slice that is judged has a difference"
    return result.difference.value


def _worse(slices: list[SliceResult]) -> list[SliceResult]:
    """Return the slices that are worse by more than noise, the worst first."""
    found = [each for each in slices if _is_judged(each) and each.difference and each.difference.high < 0]
    return sorted(found, key=_gain)


def _unjudged(slices: list[SliceResult], gate: Gate) -> list[str]:
    """Return the columns without a slice that can be judged."""
    judged = {each.column for each in slices if _is_judged(each)}
    return [column for column in gate.slices if column not in judged]


def _describe_slice(result: SliceResult, metric: str) -> str:
    difference = result.difference
    assert difference is not None, "a slice that is worse has a difference"
    return (
        f"{result.column} {result.value} ({result.rows:,} rows: {metric} {result.challenger:.4f} after "
        f"{result.champion:.4f}, {difference.confidence:.2%} interval {difference.low:+.4f} to {difference.high:+.4f})"
    )
