"""The checks of the gate, in the order of their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.gate.checks.quality import AbsoluteMinimum, BeatsBaseline, BeatsChampion
from include.gate.checks.soundness import (
    EnoughHoldout,
    FairComparison,
    FinitePredictions,
    NotOlder,
    TrainedBeforeHoldout,
)

if TYPE_CHECKING:
    from include.gate.check import Check

CHECKS: list[Check] = [
    FinitePredictions(),
    EnoughHoldout(),
    AbsoluteMinimum(),
    BeatsBaseline(),
    BeatsChampion(),
    FairComparison(),
    NotOlder(),
    TrainedBeforeHoldout(),
]
