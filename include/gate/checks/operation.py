"""Whether the challenger is small and quick enough to be operated."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable

if TYPE_CHECKING:
    from include.config.pipeline import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.operation import Operation
    from include.gate.check import Numbers

BYTES_PER_MB = 1e6


class SmallAndQuick(Check):
    """The model file and the time that predictions take are within gate.limits."""

    code, title = "GATE014", "small and quick enough"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where a limit is missed."""
        found, limits = _measured(evidence), gate.limits
        faults = []
        megabytes = found.model_bytes / BYTES_PER_MB
        if not megabytes <= limits.model_mb:
            faults.append(f"the model file has {megabytes:,.4g} MB, gate.limits.model_mb allows {limits.model_mb:,g}")
        if not found.row_ms <= limits.row_ms:
            faults.append(f"one row takes {found.row_ms:,.4g} ms, gate.limits.row_ms allows {limits.row_ms:,g}")
        if not found.rows_per_second >= limits.rows_per_second:
            faults.append(
                f"{found.rows_per_second:,.4g} rows a second are predicted of {found.rows:,}, "
                f"gate.limits.rows_per_second asks for {limits.rows_per_second:,g}"
            )
        if not faults:
            return None
        return f"{'; '.join(faults)}; leave the heavy families out of training.candidates, or change gate.limits"

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return what was measured."""
        return asdict(_measured(evidence))


def _measured(evidence: Evidence) -> Operation:
    if evidence.operation is None:
        raise NotApplicable("size and speed were not measured")
    if not evidence.operation.rows:
        raise NotApplicable("there are no held-out rows to predict")
    return evidence.operation
