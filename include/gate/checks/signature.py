"""Whether callers of the champion can call the challenger."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence
    from include.gate.check import Numbers

#: Names in the explanation; the record has all of them.
SHOWN = 10


class TakesTheSame(Check):
    """Every feature that the challenger takes, the champion takes too, as the same kind.

    A feature that is no longer taken is harmless. Callers may or may not send a new feature already; the evidence of
    this run cannot decide that, hence inconclusive.
    """

    code, title, severity = "GATE015", "takes the champion's features", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if a feature is new, or of another kind."""
        signature = evidence.signature
        if signature is None:
            raise NotApplicable("the features were not compared")
        if signature.added is None or signature.changed is None:
            raise NotApplicable("no champion with known features")
        faults = []
        if signature.added:
            faults.append(f"takes {_list_names(signature.added)}, which the champion does not take")
        if signature.changed:
            kinds = [f"{name} as a {signature.features[name]}" for name in signature.changed]
            faults.append(f"takes {_list_names(kinds)}, which the champion takes as another kind")
        if not faults:
            return None
        return (
            f"the challenger {' and '.join(faults)}; once every caller of the model sends them like this, let it "
            "through with gate.severities: {GATE015: warn}, and remove that again after the promotion"
        )

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the features that differ."""
        signature = evidence.signature
        if signature is None:
            return {}
        return {name: value for name, value in asdict(signature).items() if name != "features"}


def _list_names(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
