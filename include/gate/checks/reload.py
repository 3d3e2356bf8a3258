"""Whether the file that would be registered is the model that was measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from include.evaluation.agreement import TOLERANCE
from include.gate.check import Check, NotApplicable

if TYPE_CHECKING:
    from include.config.pipeline import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.reload import Reload
    from include.gate.check import Numbers


class LoadsInACleanProcess(Check):
    """The model file loads where nothing of the training process is, and predicts the same there."""

    code, title = "GATE016", "loads in a clean process"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the file is not loaded, or the predictions differ."""
        found = _measured(evidence)
        if not found.loaded or found.error:
            return (
                f"the model file does not work in a clean process: {found.error or 'no reason is known'}; what serves "
                "it would fail the same way, so mend that and run again"
            )
        if not found.largest_difference <= TOLERANCE:
            return (
                f"in a clean process the model's predictions of {found.rows:,} rows differ by up to "
                f"{found.largest_difference:.1g} of their size, and at most {TOLERANCE:g} is rounding; a candidate "
                "rests on more than it has learned (a global, a file, chance without a seed): mend it or leave it out"
            )
        return None

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return what was measured."""
        return asdict(_measured(evidence))


def _measured(evidence: Evidence) -> Reload:
    if evidence.reload is None:
        raise NotApplicable("the model file was not loaded again")
    return evidence.reload
