"""Whether probabilities are calibrated."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable, is_number

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.calibration import CalibrationResult
    from include.evaluation.evidence import Evidence
    from include.gate.check import Numbers


class Calibrated(Check):
    """The challenger's probabilities match the observed frequencies, within gate.max_calibration_error."""

    code, title = "GATE011", "probabilities are calibrated"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the calibration error is above gate.max_calibration_error by more than noise."""
        found, limit = _calibration(evidence), gate.max_calibration_error
        if not is_number(found.error):
            return (
                "the calibration error is not defined on this holdout: it needs probabilities from 0 to 1, and rows of "
                "both classes"
            )
        # without an interval, an error above the limit counts as above it
        if found.error <= limit or (is_number(found.low) and found.low <= limit):
            return None
        noise = (
            f"{gate.confidence:.0%} interval {found.low:.3f} to {found.high:.3f}"
            if is_number(found.low)
            else "without an interval"
        )
        return (
            f"the calibration error is {found.error:.3f} ({noise}), gate.max_calibration_error allows {limit:g}: the "
            f"mean probability is {found.mean_predicted:.3f} and the share of positives {found.mean_observed:.3f}"
            f"{_advice(found)}; check that training.calibrate is on and whether the share has changed since the "
            "training days, or raise the limit"
        )

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the error with its interval, the recalibration, and the limit."""
        return {"limit": gate.max_calibration_error} | asdict(_calibration(evidence))


def _calibration(evidence: Evidence) -> CalibrationResult:
    if evidence.calibration is None:
        raise NotApplicable("calibration is only measured for binary tasks")
    return evidence.calibration


def _advice(found: CalibrationResult) -> str:
    """Describe the slope of the recalibration; empty if it is unknown."""
    if not is_number(found.slope):
        return ""
    extreme = "too extreme" if found.slope < 1 else "not extreme enough"
    return f", and the probabilities are {extreme} (slope {found.slope:.2f})"
