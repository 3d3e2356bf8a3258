"""The evidence of one run: everything that the gate judges by, measured on the same held-out rows."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from include.evaluation.baseline import best_f1_threshold
from include.evaluation.calibration import CalibrationResult  # noqa: TC001  pydantic reads the fields
from include.evaluation.fairness import GroupGap  # noqa: TC001
from include.evaluation.label_coverage import LabelCoverage  # noqa: TC001
from include.evaluation.metrics import Metric, all_metrics
from include.evaluation.numbers import Number, without_nan
from include.evaluation.operation import Operation  # noqa: TC001
from include.evaluation.paired_bootstrap import PairedDifference, paired_difference
from include.evaluation.plausibility import Plausibility  # noqa: TC001
from include.evaluation.prediction_drift import PredictionDrift  # noqa: TC001
from include.evaluation.refits import Refits  # noqa: TC001
from include.evaluation.reload import Reload  # noqa: TC001
from include.evaluation.robustness import PerturbationResult  # noqa: TC001
from include.evaluation.search import SearchProgress  # noqa: TC001
from include.evaluation.signature import Signature  # noqa: TC001
from include.evaluation.slices import SliceResult  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from include.config.pipeline import Pipeline

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

    start: str
    end: str
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
    as_of: str
    train_start: str
    train_end: str
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
    as_of: str | None = None
    train_end: str | None = None
    error: str | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Evidence:
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

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types; a NaN becomes null."""
        return without_nan(asdict(self))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Evidence:
        """Make evidence from the JSON types of `to_json`."""
        from pydantic import TypeAdapter

        return TypeAdapter(cls).validate_python(fields)


def collect_evidence(
    pipeline: Pipeline,
    *,
    y_true: np.ndarray,
    days: np.ndarray,
    challenger: np.ndarray,
    baseline: np.ndarray,
    champion: np.ndarray | None,
    champion_error: str | None,
    challenger_is: dict[str, Any],
    champion_is: dict[str, Any] | None,
    holdout_days: tuple[str, str],
    classes: Sequence[object] | None = None,
) -> Evidence:
    """Measure challenger, baseline and champion on the same rows.

    Parameters
    ----------
    y_true, challenger, baseline, champion
        Labels and predictions of the held-out rows, as `Metric.value` takes them; None without a champion.
    days
        ISO day of each row, of shape (n_rows,).
    champion_error
        Why the champion could not predict; None if it could.
    challenger_is
        The challenger's `family`, `as_of`, `train_start`, `train_end` and `needed_days`, and for a binary task its
        `threshold`, the probability from which it counts a row as positive; 0.5 where it is unknown.
    champion_is
        The champion's `version`, `as_of` and `train_end`, and its `threshold`, where unknown the challenger's;
        None without a champion.
    holdout_days
        First and last day of the holdout, ISO.
    classes
        For several classes, the labels by their codes in `y_true`, which are the columns of the predictions.
    """
    import numpy as np

    training, gate = pipeline.training, pipeline.gate
    metric = Metric.of(training, _threshold(challenger_is, 0.5))

    def compare(name: str, predicted: np.ndarray | None, threshold: float) -> Opponent:
        own_threshold = threshold if training.task == "binary" else None
        if predicted is None:
            return Opponent(name, metrics=None, difference=None, threshold=own_threshold)
        difference = paired_difference(
            metric,
            y_true,
            days,
            challenger,
            predicted,
            rounds=gate.bootstrap_rounds,
            confidence=gate.confidence,
            seed=training.seed,
            second_threshold=threshold,
        )
        metrics = all_metrics(replace(metric, threshold=threshold), y_true, predicted)
        return Opponent(name, metrics, difference, threshold=own_threshold)

    champion_opponent = None
    if champion_is is not None:
        champion_opponent = replace(
            compare(f"version {champion_is['version']}", champion, _threshold(champion_is, metric.threshold)),
            as_of=champion_is["as_of"],
            train_end=champion_is["train_end"],
            error=champion_error,
        )
    return Evidence(
        pipeline=pipeline.name,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        holdout=_summarise_holdout(metric, y_true, days, holdout_days, classes),
        challenger=Challenger(
            **challenger_is | {"threshold": metric.threshold if training.task == "binary" else None},
            metrics=all_metrics(metric, y_true, challenger),
            finite=bool(np.isfinite(challenger).all()),
        ),
        baseline=compare(gate.baseline, baseline, best_f1_threshold(metric, y_true, baseline)),
        champion=champion_opponent,
        quantile=None if training.classifies else metric.quantile,
    )


def _threshold(model_is: dict[str, Any], default: float) -> float:
    known = model_is.get("threshold")
    return default if known is None else known


def _summarise_holdout(
    metric: Metric,
    y_true: np.ndarray,
    days: np.ndarray,
    holdout_days: tuple[str, str],
    classes: Sequence[object] | None,
) -> HoldoutSummary:
    import numpy as np

    shares = None
    if metric.task == "multiclass" and classes is not None and len(y_true):
        shares = {str(label): float(np.mean(y_true == code)) for code, label in enumerate(classes)}
    return HoldoutSummary(
        *holdout_days,
        rows=len(y_true),
        days=len(np.unique(days)),
        label_mean=float(np.mean(y_true)) if len(y_true) and metric.task != "multiclass" else math.nan,
        label_shares=shares,
    )
