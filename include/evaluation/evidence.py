"""The evidence of one run: all that the gate may look at, measured on the same held-out rows."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include.evaluation.metrics import all_metrics
from include.evaluation.noise import Difference, paired_difference
from include.training_config import METRICS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from include.config import Pipeline

#: Where a value is on a scale on which NaN is not JSON.
Metrics = dict[str, float]


@dataclass(frozen=True)
class Holdout:
    """The rows that everything was measured on."""

    start: str
    end: str
    rows: int
    days: int
    label_mean: float


@dataclass(frozen=True)
class Challenger:
    """What tonight's model is, and how it did."""

    family: str
    as_of: str
    train_start: str
    train_end: str
    metrics: Metrics
    finite: bool


@dataclass(frozen=True)
class Opponent:
    """What the challenger is compared with, and by how much the challenger is better.

    Attributes
    ----------
    name
        `version 7`, or what the baseline is.
    as_of, train_end
        Of a champion; None for a baseline.
    error
        Why it cannot be scored; the metrics and the difference are then None.
    """

    name: str
    metrics: Metrics | None
    difference: Difference | None
    as_of: str | None = None
    train_end: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict rests on."""

    pipeline: str
    metric: str
    higher_is_better: bool
    holdout: Holdout
    challenger: Challenger
    baseline: Opponent
    champion: Opponent | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types; a NaN becomes null."""
        return _without_nan(asdict(self))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Evidence:
        """Make evidence of what `to_json` gave."""
        challenger = fields["challenger"]
        return cls(
            pipeline=fields["pipeline"],
            metric=fields["metric"],
            higher_is_better=fields["higher_is_better"],
            holdout=Holdout(**_with_nan(fields["holdout"], "label_mean")),
            challenger=Challenger(**challenger | {"metrics": _with_nan(challenger["metrics"])}),
            baseline=_opponent(fields["baseline"]),
            champion=_opponent(fields["champion"]) if fields["champion"] else None,
        )


def collect_evidence(
    pipeline: Pipeline,
    *,
    y_true: np.ndarray,
    days: np.ndarray,
    challenger: np.ndarray,
    baseline: np.ndarray,
    champion: np.ndarray | None,
    champion_error: str | None,
    challenger_is: dict[str, str],
    champion_is: dict[str, Any] | None,
    holdout_days: tuple[str, str],
) -> Evidence:
    """Measure challenger, baseline and champion on the same rows.

    Parameters
    ----------
    y_true, challenger, baseline, champion
        Labels and predictions of the held-out rows, each of shape (n_rows,); no champion is None.
    days
        ISO day of each row, of shape (n_rows,).
    champion_error
        Why the champion could not predict, where it could not.
    challenger_is
        Its `family`, `as_of`, `train_start` and `train_end`.
    champion_is
        Its `version`, `as_of` and `train_end`; None where there is none yet.
    holdout_days
        First and last day of the holdout, ISO.
    """
    import numpy as np

    training, gate = pipeline.training, pipeline.gate
    task, metric = training.task, training.metric

    def against(other: np.ndarray) -> Difference:
        return paired_difference(
            metric,
            y_true,
            days,
            challenger,
            other,
            rounds=gate.bootstrap_rounds,
            confidence=gate.confidence,
            seed=training.seed,
        )

    opponent = None
    if champion_is is not None:
        opponent = Opponent(
            name=f"version {champion_is['version']}",
            metrics=all_metrics(task, y_true, champion) if champion is not None else None,
            difference=against(champion) if champion is not None else None,
            as_of=champion_is["as_of"],
            train_end=champion_is["train_end"],
            error=champion_error,
        )
    return Evidence(
        pipeline=pipeline.name,
        metric=metric,
        higher_is_better=METRICS[task][metric],
        holdout=Holdout(
            *holdout_days,
            rows=len(y_true),
            days=len(np.unique(days)),
            label_mean=float(np.mean(y_true)) if len(y_true) else math.nan,
        ),
        challenger=Challenger(
            **challenger_is,
            metrics=all_metrics(task, y_true, challenger),
            finite=bool(np.isfinite(challenger).all()),
        ),
        baseline=Opponent(gate.baseline, all_metrics(task, y_true, baseline), against(baseline)),
        champion=opponent,
    )


def baseline_predictions(pipeline: Pipeline, train_labels: np.ndarray, holdout: pd.DataFrame) -> np.ndarray:
    """Return what a guess without any fitting predicts for the held-out rows, of shape (n_rows,).

    It is the mean of the labels learned from (their median where the metric is the absolute error), or
    the feature that gate.baseline names; where that is missing, the mean.
    """
    import numpy as np

    middle = np.median if pipeline.training.metric == "mae" else np.mean
    prior = float(middle(train_labels))
    if pipeline.gate.baseline == "prior":
        return np.full(len(holdout), prior)
    values = holdout[pipeline.gate.baseline].to_numpy(dtype="float64")
    return np.where(np.isfinite(values), values, prior)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_nan(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: math.nan if value is None and name in (names or fields) else value for name, value in fields.items()}


def _opponent(fields: dict[str, Any]) -> Opponent:
    metrics, difference = fields["metrics"], fields["difference"]
    return Opponent(
        **fields
        | {
            "metrics": _with_nan(metrics) if metrics is not None else None,
            "difference": Difference(**_with_nan(difference)) if difference is not None else None,
        }
    )
