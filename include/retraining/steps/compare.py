"""The steps that judge: measure challenger, champion and baseline on the same rows, and apply the gate."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include import workspace
from include.errors import NightshiftError
from include.retraining.steps import files

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from include.config import Pipeline
    from include.retraining.plan import RunPlan

log = logging.getLogger(__name__)

#: What the importance of the features may take, in seconds.
IMPORTANCE_SECONDS = 20


def evaluate(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Score challenger, champion and baseline on the same holdout rows; return the evidence."""
    from include.evaluation.baseline import baseline_predictions
    from include.evaluation.evidence import collect_evidence
    from include.training.fit import predict
    from include.training.target import encode_target

    challenger = files.challenger(plan)
    model = files.load_challenger(pipeline, plan)
    frame, split = files.frame_and_split(pipeline, plan)
    training, label, classes = pipeline.training, pipeline.features.label, challenger["classes"]
    holdout = frame.iloc[split.holdout]
    y = encode_target(training, holdout[label], classes)
    learned = encode_target(training, frame[label].iloc[split.train], classes)
    champion_predictions, champion_error = _champion_predictions(pipeline, plan, holdout, classes)
    evidence = collect_evidence(
        pipeline,
        y_true=y,
        days=holdout["prediction_time"].dt.strftime("%Y-%m-%d").to_numpy(),
        challenger=predict(model, holdout, training, classes),
        baseline=baseline_predictions(pipeline, learned, holdout, len(classes) if classes else None),
        champion=champion_predictions,
        champion_error=champion_error,
        challenger_is={
            "family": challenger["family"],
            "as_of": plan.as_of,
            "train_start": challenger["train_start"],
            "train_end": challenger["train_end"],
            "threshold": threshold_of(challenger),
        },
        champion_is=plan.champion.to_json() if plan.champion else None,
        holdout_days=(split.holdout_start, split.holdout_end),
        classes=classes,
    ).to_json()
    workspace.write_json(files.folder(plan) / "evidence.json", evidence)
    importance = _importance(pipeline, model, holdout, y, challenger)
    workspace.write_json(files.folder(plan) / "importance.json", importance)
    return evidence


def judge(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Apply the gate to the evidence; return the verdict."""
    from include.gate.verdict import decide

    verdict = decide(files.evidence(plan), pipeline.gate)
    workspace.write_json(files.folder(plan) / "verdict.json", verdict.to_json())
    log.info("%s", verdict.reason)
    return verdict.to_json()


def threshold_of(challenger: dict[str, Any]) -> float | None:
    """Return the probability from which a row counts as positive, of a binary task."""
    return challenger["threshold"]["value"] if challenger["threshold"] else None


def _champion_predictions(
    pipeline: Pipeline, plan: RunPlan, holdout: pd.DataFrame, classes: list[Any] | None
) -> tuple[Any, str | None]:
    """Return the champion's predictions, or why it cannot be scored."""
    from include.errors import TrackingUnavailable
    from include.tracking.champion import load_champion
    from include.training.fit import predict
    from include.training.model_file import trusted_of

    if plan.champion is None:
        return None, None
    try:
        model = load_champion(plan.champion, trusted_of(pipeline.training))
        return predict(model, holdout, pipeline.training, classes), None
    except TrackingUnavailable:
        raise  # says nothing of the champion: a retry may load it
    except (NightshiftError, ValueError, KeyError, TypeError) as error:
        log.warning("the champion, version %s, cannot be scored: %s", plan.champion.version, error)
        return None, f"{type(error).__name__}: {error}"


def _importance(
    pipeline: Pipeline, model: Any, holdout: pd.DataFrame, y: np.ndarray, challenger: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return by how much the metric gets worse when a feature's values are shuffled over the holdout."""
    from include.evaluation.importance import permutation_importance
    from include.evaluation.metrics import Measure
    from include.training.fit import predict

    training, threshold = pipeline.training, threshold_of(challenger)
    found = permutation_importance(
        lambda frame: predict(model, frame, training, challenger["classes"]),
        holdout,
        y,
        challenger["features"],
        Measure.of(training) if threshold is None else Measure.of(training, threshold),
        repeats=3,
        max_rows=5000,
        seed=training.seed,
        seconds=IMPORTANCE_SECONDS,
    )
    return [each.to_json() for each in found]
