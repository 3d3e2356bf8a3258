"""GATE011: probabilities are calibrated."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from include.config.gate import Gate
from include.evaluation.calibration import CalibrationResult
from include.gate.check import NotApplicable
from include.gate.checks.calibration import Calibrated
from tests import factories

CHECK = Calibrated()
GATE = Gate(minimum=0.6, max_calibration_error=0.1)
NAN = math.nan
#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE011": ({"calibration": CalibrationResult(0.141, 0.137, 0.145, None, 0.56, 0.1, 0.397, 0.269)}, {}),
}


def _evidence(error: float = 0.02, low: float = 0.01, high: float = 0.03, slope: float = 0.52) -> Any:
    found = CalibrationResult(error, low, high, None, slope, 0.1, 0.412, 0.252)
    return SimpleNamespace(**vars(factories.evidence()) | {"calibration": found})


def test_it_fires_on_an_error_that_is_too_large() -> None:
    """The sentence has the error with its interval, both means, the slope, and what to do."""
    assert CHECK.explain(_evidence(0.16, 0.14, 0.18), GATE) == (
        "the calibration error is 0.160 (95% interval 0.140 to 0.180), gate.max_calibration_error allows 0.1: the mean "
        "probability is 0.412 and the share of positives 0.252, and the probabilities are too extreme (slope 0.52); "
        "check that training.calibrate is on and whether the share has changed since the training days, or raise the "
        "limit"
    )


@pytest.mark.parametrize(
    ("slope", "told"),
    [(1.7, "0.252, and the probabilities are not extreme enough (slope 1.70); check"), (NAN, "positives 0.252; check")],
)
def test_it_describes_the_slope(slope: float, told: str) -> None:
    """A slope above 1 is the opposite fault, and an undefined slope is not mentioned."""
    explanation = CHECK.explain(_evidence(0.16, 0.14, 0.18, slope), GATE)

    assert explanation is not None
    assert told in explanation


@pytest.mark.parametrize(("error", "low"), [(0.02, 0.01), (0.1, 0.1), (0.16, 0.1), (0.02, NAN)])
def test_it_stays_quiet_where_noise_explains_it(error: float, low: float) -> None:
    """An error whose interval reaches the limit is no fault, and neither is a small error without an interval."""
    assert CHECK.explain(_evidence(error, low), GATE) is None


def test_a_large_error_without_an_interval_does_not_pass() -> None:
    """Without an interval the error itself is judged."""
    told = CHECK.explain(_evidence(0.16, NAN, NAN), GATE)

    assert told is not None
    assert "0.160 (without an interval), gate.max_calibration_error allows 0.1" in told


def test_an_error_that_is_not_defined_does_not_pass() -> None:
    """A holdout of one class, or predictions that are not probabilities, cannot be judged."""
    assert CHECK.explain(_evidence(NAN, NAN, NAN), GATE) == (
        "the calibration error is not defined on this holdout: it needs probabilities from 0 to 1, and rows of both "
        "classes"
    )


def test_its_numbers_are_the_whole_result() -> None:
    """The record has the error beside the limit, and the recalibration."""
    found = CHECK.numbers(_evidence(), GATE)

    assert (found["limit"], found["error"], found["slope"]) == (0.1, 0.02, 0.52)
    assert found["champion_error"] is None


def test_it_does_not_apply_to_other_tasks() -> None:
    """Only the probability of one class is calibrated."""
    evidence = SimpleNamespace(**vars(factories.evidence()) | {"calibration": None})

    with pytest.raises(NotApplicable, match="only measured for binary tasks"):
        CHECK.explain(evidence, GATE)
