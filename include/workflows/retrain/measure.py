"""Measure the evidence for the gate: challenger, champion and baseline on the same holdout rows."""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.evaluation.collect import ChallengerFacts, ChampionFacts
    from include.evaluation.evidence import Evidence
    from include.evaluation.label_coverage import LabelCoverage
    from include.evaluation.refits import Refits
    from include.evaluation.search import SearchProgress
    from include.evaluation.signature import Kind

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HoldoutRows:
    """The rows that every model is measured on.

    Attributes
    ----------
    frame
        The feature rows of the holdout.
    y
        Their encoded labels, of shape (n_rows,).
    learned
        The encoded labels of the training rows, for the baseline.
    start, end
        First and last day of the holdout.
    classes
        The labels of a multiclass task, in the order of their codes.
    """

    frame: pd.DataFrame
    y: np.ndarray
    learned: np.ndarray
    start: date
    end: date
    classes: list[Any] | None = None

    @property
    def days(self) -> np.ndarray:
        """The ISO day of each row, of shape (n_rows,)."""
        return self.frame["prediction_time"].dt.strftime("%Y-%m-%d").to_numpy()


@dataclass(frozen=True)
class ChallengerModel:
    """The model that the run has fitted.

    Attributes
    ----------
    path, sha256
        The model file and its digest.
    features
        The columns that the model takes.
    """

    model: Model
    facts: ChallengerFacts
    path: Path
    sha256: str
    features: list[str]


@dataclass(frozen=True)
class ChampionModel:
    """The model that would be replaced, or the reason why it cannot predict.

    Attributes
    ----------
    inputs
        The kind of each column that the model takes, `number` or `text`; None where the kinds are not known.
    """

    facts: ChampionFacts
    model: Model | None = None
    error: str | None = None
    inputs: dict[str, Kind] | None = None


def measure_evidence(
    pipeline: Pipeline,
    holdout: HoldoutRows,
    challenger: ChallengerModel,
    champion: ChampionModel | None,
    refits: Refits | None = None,
    labels: LabelCoverage | None = None,
    search: SearchProgress | None = None,
) -> Evidence:
    """Return the evidence for the gate.

    The evidence names the error of a champion that fails on these rows.

    Parameters
    ----------
    champion
        None where there is no champion yet.
    refits
        The metric of refits with other seeds.
    labels
        The share of the holdout's labels that is known.
    search
        How far the search for the challenger came.
    """
    from include.evaluation.baseline import baseline_predictions
    from include.evaluation.calibration import measure_calibration
    from include.evaluation.collect import collect_evidence
    from include.evaluation.fairness import measure_fairness
    from include.evaluation.metrics import Metric
    from include.evaluation.operation import measure_operation
    from include.evaluation.plausibility import measure_plausibility
    from include.evaluation.prediction_drift import measure_prediction_drift
    from include.evaluation.robustness import measure_robustness
    from include.evaluation.signature import compare_signatures, feature_kinds
    from include.evaluation.slices import measure_slices
    from include.training.columns import feature_columns
    from include.training.fit import predict
    from include.training.reload import measure_reload

    training, gate = pipeline.training, pipeline.gate
    frame, y, days, classes = holdout.frame, holdout.y, holdout.days, holdout.classes

    def predicted(rows: pd.DataFrame) -> np.ndarray:
        return predict(challenger.model, rows, training, classes)

    ours = predicted(frame)
    theirs, error = _predict_by_champion(pipeline, champion, frame, classes)
    evidence = collect_evidence(
        pipeline,
        y_true=y,
        days=days,
        challenger=ours,
        baseline=baseline_predictions(pipeline, holdout.learned, frame, len(classes) if classes else None),
        champion=theirs,
        champion_error=error,
        challenger_facts=challenger.facts,
        champion_facts=champion.facts if champion else None,
        holdout_days=(holdout.start, holdout.end),
        classes=classes,
    )
    metric = Metric.of(training, evidence.challenger.threshold)
    _log_metric(evidence)
    log.info("%s: measures speed, slices, groups, calibration, drift and robustness, and loads the file", pipeline.name)
    columns = feature_columns(pipeline, frame).among(challenger.features)
    operation = measure_operation(predicted, frame, challenger.path.stat().st_size)  # before anything runs beside it
    with ThreadPoolExecutor(1) as executor:
        reload = executor.submit(measure_reload, challenger.path, challenger.sha256, training, frame, ours, classes)
        return replace(
            evidence,
            operation=operation,
            slices=measure_slices(
                metric,
                frame,
                gate.slices,
                y,
                days,
                ours,
                theirs,
                min_rows=gate.min_slice_rows,
                rounds=gate.bootstrap_rounds,
                confidence=gate.confidence,
                seed=training.seed,
                champion_threshold=evidence.champion.threshold if evidence.champion else None,
            ),
            fairness=measure_fairness(
                metric,
                frame,
                gate.sensitive,
                y,
                days,
                ours,
                min_rows=gate.min_slice_rows,
                rounds=gate.bootstrap_rounds,
                confidence=gate.confidence,
                seed=training.seed,
            ),
            calibration=measure_calibration(
                metric,
                y,
                days,
                ours,
                theirs,
                rounds=gate.bootstrap_rounds,
                confidence=gate.confidence,
                seed=training.seed,
            ),
            shift=None if theirs is None else measure_prediction_drift(ours, theirs),
            plausibility=measure_plausibility(training.task, frame, challenger.features, y, ours, training.seed),
            robustness=measure_robustness(
                predicted,
                frame,
                y,
                metric,
                evidence.challenger.metrics[metric.name],
                (evidence.baseline.metrics or {}).get(metric.name, math.nan),
                challenger.features,
                columns.numeric,
                columns.categorical,
                training.seed,
            ),
            signature=compare_signatures(
                feature_kinds(columns.numeric, columns.categorical), champion.inputs if champion else None
            ),
            reload=reload.result(),
            refits=refits,
            labels=labels,
            search=search,
        )


def _log_metric(evidence: Evidence) -> None:
    """Log the gate's metric of each model, before the longer measurements."""
    from include.gate.report import format_value

    others = {"champion": evidence.champion, "baseline": evidence.baseline}
    values = [
        f"{name} {format_value((each.metrics or {}).get(evidence.metric))}" for name, each in others.items() if each
    ]
    ours = format_value(evidence.challenger.metrics.get(evidence.metric))
    log.info("%s: %s of the challenger is %s (%s)", evidence.pipeline, evidence.metric, ours, ", ".join(values))


def _predict_by_champion(
    pipeline: Pipeline, champion: ChampionModel | None, frame: pd.DataFrame, classes: list[Any] | None
) -> tuple[np.ndarray | None, str | None]:
    """Return the champion's predictions, or the reason why it cannot predict."""
    from include.core.errors import NightshiftError
    from include.training.fit import predict

    if champion is None or champion.model is None:
        return None, champion.error if champion else None
    try:
        return predict(champion.model, frame, pipeline.training, classes), None
    except (NightshiftError, ValueError, KeyError, TypeError) as error:
        return None, f"{type(error).__name__}: {error}"
