"""Whether the challenger is small and fast enough for production."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.operation import Operation
    from include.gate.check import Numbers

BYTES_PER_MB = 1e6


class SmallAndQuick(Check):
    """The size of the model file and the prediction times are within gate.limits."""

    code, title = "GATE014", "small and quick enough"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if a limit is exceeded."""
        found, limits = _operation(evidence), gate.limits
        faults = []
        megabytes = found.model_bytes / BYTES_PER_MB
        if not megabytes <= limits.model_mb:
            faults.append(f"the model file has {megabytes:,.4g} MB, gate.limits.model_mb allows {limits.model_mb:,g}")
        if not found.row_ms <= limits.row_ms:
            faults.append(f"one row takes {found.row_ms:,.4g} ms, gate.limits.row_ms allows {limits.row_ms:,g}")
        if not found.rows_per_second >= limits.rows_per_second:
            faults.append(
                f"a batch of {found.rows:,} rows is predicted at {found.rows_per_second:,.4g} rows a second, "
                f"gate.limits.rows_per_second requires {limits.rows_per_second:,g}"
            )
        if not faults:
            return None
        return f"{'; '.join(faults)}; remove the heavy families from training.candidates, or change gate.limits"

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return size and speed."""
        return asdict(_operation(evidence))


def _operation(evidence: Evidence) -> Operation:
    if evidence.operation is None:
        raise NotApplicable("size and speed were not measured")
    if not evidence.operation.rows:
        raise NotApplicable("there are no held-out rows to predict")
    return evidence.operation
