"""Whether the model file holds the model that was measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from include.evaluation.agreement import TOLERANCE
from include.gate.check import Check, NotApplicable

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.reload import Reload
    from include.gate.check import Numbers


class LoadsInFreshProcess(Check):
    """The model file loads in a fresh process and predicts the same there."""

    code, title = "GATE016", "loads in a fresh process"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the file does not load, or the predictions differ."""
        found = _reload(evidence)
        if not found.loaded or found.error:
            return (
                f"the model file does not work in a fresh process: {found.error or 'no reason is known'}; serving it "
                "would fail the same way, so fix this and run again"
            )
        if not found.largest_difference <= TOLERANCE:
            return (
                f"in a fresh process the model's predictions of {found.rows:,} rows differ by up to "
                f"{found.largest_difference:.1g} of their size, and rounding explains at most {TOLERANCE:g}; a "
                "candidate depends on state outside the model (a global, a file, an unseeded generator): fix it or "
                "leave it out"
            )
        return None

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the result of the reload."""
        return asdict(_reload(evidence))


def _reload(evidence: Evidence) -> Reload:
    if evidence.reload is None:
        raise NotApplicable("the model file was not loaded again")
    return evidence.reload
