"""Collects the evidence of one run: measures challenger, baseline and champion on the same held-out rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.evaluation.baseline import best_f1_threshold
from include.evaluation.evidence import Challenger, Evidence, HoldoutSummary, Opponent
from include.evaluation.metrics import Metric, all_metrics
from include.evaluation.paired_bootstrap import paired_difference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import numpy as np

    from include.config.pipeline import Pipeline


@dataclass(frozen=True)
class ChallengerFacts:
    """What is known of the challenger before it is measured.

    Attributes
    ----------
    threshold
        Probability from which the model of a binary task counts a row as positive; None means 0.5.
    needed_days
        See `Challenger`.
    """

    family: str
    as_of: date
    train_start: date
    train_end: date
    threshold: float | None = None
    needed_days: int | None = None


@dataclass(frozen=True)
class ChampionFacts:
    """What is known of the champion before it is measured.

    Attributes
    ----------
    threshold
        Probability from which the model of a binary task counts a row as positive; None means the challenger's.
    """

    version: int
    as_of: date
    train_end: date
    threshold: float | None = None


def collect_evidence(
    pipeline: Pipeline,
    *,
    y_true: np.ndarray,
    days: np.ndarray,
    challenger: np.ndarray,
    baseline: np.ndarray,
    champion: np.ndarray | None,
    champion_error: str | None,
    challenger_facts: ChallengerFacts,
    champion_facts: ChampionFacts | None,
    holdout_days: tuple[date, date],
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
    champion_facts
        None without a champion.
    holdout_days
        First and last day of the holdout.
    classes
        For several classes, the labels by their codes in `y_true`, which are the columns of the predictions.
    """
    import numpy as np

    training, gate = pipeline.training, pipeline.gate
    metric = Metric.of(training, 0.5 if challenger_facts.threshold is None else challenger_facts.threshold)

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
    if champion_facts is not None:
        threshold = metric.threshold if champion_facts.threshold is None else champion_facts.threshold
        champion_opponent = replace(
            compare(f"version {champion_facts.version}", champion, threshold),
            as_of=champion_facts.as_of,
            train_end=champion_facts.train_end,
            error=champion_error,
        )
    return Evidence(
        pipeline=pipeline.name,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        holdout=_summarise_holdout(metric, y_true, days, holdout_days, classes),
        challenger=Challenger(
            family=challenger_facts.family,
            as_of=challenger_facts.as_of,
            train_start=challenger_facts.train_start,
            train_end=challenger_facts.train_end,
            metrics=all_metrics(metric, y_true, challenger),
            finite=bool(np.isfinite(challenger).all()),
            threshold=metric.threshold if training.task == "binary" else None,
            needed_days=challenger_facts.needed_days,
        ),
        baseline=compare(gate.baseline, baseline, best_f1_threshold(metric, y_true, baseline)),
        champion=champion_opponent,
        quantile=None if training.classifies else metric.quantile,
    )


def _summarise_holdout(
    metric: Metric,
    y_true: np.ndarray,
    days: np.ndarray,
    holdout_days: tuple[date, date],
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
