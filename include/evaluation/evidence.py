"""The evidence of one run: everything that the gate judges by, measured on the same held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003  pydantic reads the fields
from typing import ClassVar

from pydantic import ConfigDict

from include.core.json_document import JsonDocument
from include.evaluation.calibration import CalibrationResult  # noqa: TC001
from include.evaluation.fairness import GroupGap  # noqa: TC001
from include.evaluation.label_coverage import LabelCoverage  # noqa: TC001
from include.evaluation.numbers import Number
from include.evaluation.operation import Operation  # noqa: TC001
from include.evaluation.paired_bootstrap import PairedDifference  # noqa: TC001
from include.evaluation.plausibility import Plausibility  # noqa: TC001
from include.evaluation.prediction_drift import PredictionDrift  # noqa: TC001
from include.evaluation.refits import Refits  # noqa: TC001
from include.evaluation.reload import Reload  # noqa: TC001
from include.evaluation.robustness import PerturbationResult  # noqa: TC001
from include.evaluation.search import SearchProgress  # noqa: TC001
from include.evaluation.signature import Signature  # noqa: TC001
from include.evaluation.slices import SliceResult  # noqa: TC001

Metrics = dict[str, Number]


@dataclass(frozen=True)
class HoldoutSummary:
    """The held-out rows, in numbers.

    Attributes
    ----------
    label_mean
        Mean of the labels, for a binary task the share of positives; NaN for several classes.
    label_shares
        Share of the rows by class, for several classes.
    """

    start: date
    end: date
    rows: int
    days: int
    label_mean: Number
    label_shares: dict[str, float] | None = None


@dataclass(frozen=True)
class Challenger:
    """Tonight's model and its metrics.

    Attributes
    ----------
    threshold
        Probability from which a row counts as positive; None where the task has none.
    needed_days
        Days by which the newest training row must be older than the as-of day: the holdout, and the gaps before and
        after it.
    """

    family: str
    as_of: date
    train_start: date
    train_end: date
    metrics: Metrics
    finite: bool
    threshold: float | None = None
    needed_days: int | None = None


@dataclass(frozen=True)
class Opponent:
    """What the challenger is compared with: the champion or the baseline.

    Attributes
    ----------
    name
        `version 7`, or `gate.baseline`.
    difference
        By how much the challenger is better.
    as_of, train_end
        As-of day and last training day of a champion; None for a baseline.
    error
        Why it cannot be scored; the metrics and the difference are then None.
    threshold
        Probability from which it counted a row as positive; None where the task has none.
    """

    name: str
    metrics: Metrics | None
    difference: PairedDifference | None
    as_of: date | None = None
    train_end: date | None = None
    error: str | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Evidence(JsonDocument):
    """Everything that a verdict is based on.

    Attributes
    ----------
    quantile
        The quantile of pinball; None where the task has no such metric.
    slices, fairness, calibration, plausibility, robustness, operation, signature, reload, refits, labels, search
        Results of the modules of these names; None where they were not measured.
    shift
        Drift of the predictions against the champion's; None without a champion.
    """

    #: Evidence of another release may have measurements that this one does not know.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    pipeline: str
    metric: str
    higher_is_better: bool
    holdout: HoldoutSummary
    challenger: Challenger
    baseline: Opponent
    champion: Opponent | None
    quantile: float | None = None
    slices: list[SliceResult] | None = None
    fairness: list[GroupGap] | None = None
    calibration: CalibrationResult | None = None
    shift: PredictionDrift | None = None
    plausibility: Plausibility | None = None
    robustness: list[PerturbationResult] | None = None
    operation: Operation | None = None
    signature: Signature | None = None
    reload: Reload | None = None
    refits: Refits | None = None
    labels: LabelCoverage | None = None
    search: SearchProgress | None = None
