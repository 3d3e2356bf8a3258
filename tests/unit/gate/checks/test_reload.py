"""GATE016: the model file loads in a fresh process."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from include.evaluation.reload import Reload
from include.gate.check import NotApplicable
from include.gate.checks.reload import LoadsInFreshProcess
from tests import factories

if TYPE_CHECKING:
    from include.config.gate import Gate

REFUSED = (
    "ModelRefused: challenger.skops holds types that no model of Nightshift has (builtins.eval), so it was not loaded"
)
#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE016": ({"reload": Reload(False, math.nan, rows=1000, seconds=2.0, error=REFUSED)}, {}),
}


def _evidence(reload: Reload | None) -> Any:
    return SimpleNamespace(**vars(factories.evidence()) | {"reload": reload})


@pytest.mark.parametrize("difference", [0.0, 1e-12, 1e-9])
def test_it_stays_quiet_where_predictions_are_the_same(difference: float, gate: Gate) -> None:
    """A difference within rounding is no difference."""
    assert LoadsInFreshProcess().explain(_evidence(Reload(True, difference, 1000, 2.5)), gate) is None


@pytest.mark.parametrize(
    ("reload", "told"),
    [
        (
            Reload(False, math.nan, 1000, 1.5, "ModelRefused: model.skops is not a model file"),
            "the model file does not work in a fresh process: ModelRefused: model.skops is not a model file; serving",
        ),
        (Reload(False, math.nan, 1000, 1.5), "does not work in a fresh process: no reason is known; serving"),
        (Reload(True, math.nan, 1000, 1.5, "it predicts an array"), "fresh process: it predicts an array; serving"),
        (Reload(True, 0.02, 1000, 1.5), "predictions of 1,000 rows differ by up to 0.02 of their size, and rounding"),
        (Reload(True, 1.1e-9, 1000, 1.5), "differ by up to 1e-09 of their size"),
        (Reload(True, math.nan, 1000, 1.5), "differ by up to nan of their size"),
    ],
    ids=["refused", "no reason", "another shape", "other predictions", "just above the limit", "NaN"],
)
def test_it_fires(reload: Reload, told: str, gate: Gate) -> None:
    """A file that does not load, predicts something else, or has an unknown difference is not promoted."""
    explanation = LoadsInFreshProcess().explain(_evidence(reload), gate)

    assert explanation is not None
    assert told in explanation


def test_it_does_not_apply_to_evidence_of_an_older_run(gate: Gate) -> None:
    """Evidence without the measurement is neither good nor bad."""
    with pytest.raises(NotApplicable):
        LoadsInFreshProcess().explain(_evidence(None), gate)


def test_it_cannot_be_turned_down() -> None:
    """The gate promises that the served model is the measured one."""
    assert LoadsInFreshProcess.essential
    assert LoadsInFreshProcess.severity == "keep"


def test_the_record_has_every_number(gate: Gate) -> None:
    """The record has every measured number."""
    numbers = LoadsInFreshProcess().numbers(_evidence(Reload(True, 0.0, 1000, 2.5)), gate)

    assert numbers == {"loaded": True, "largest_difference": 0.0, "rows": 1000, "seconds": 2.5, "error": None}
