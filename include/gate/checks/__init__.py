"""The checks of the gate, in the order of their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.gate.checks.calibration import Calibrated
from include.gate.checks.fairness import GroupsAlike
from include.gate.checks.labels import KnownLabels
from include.gate.checks.operation import SmallAndQuick
from include.gate.checks.plausibility import FreshTrainingData, LikeTheChampion, NotTooGood, SteadyOverSeeds
from include.gate.checks.quality import AbsoluteMinimum, BeatsBaseline, BeatsChampion
from include.gate.checks.reload import LoadsInACleanProcess
from include.gate.checks.robustness import Robust
from include.gate.checks.signature import TakesTheSame
from include.gate.checks.slices import NoWorseSlice
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
    NoWorseSlice(),
    GroupsAlike(),
    Calibrated(),
    LikeTheChampion(),
    Robust(),
    SmallAndQuick(),
    TakesTheSame(),
    LoadsInACleanProcess(),
    NotTooGood(),
    FreshTrainingData(),
    SteadyOverSeeds(),
    KnownLabels(),
]
