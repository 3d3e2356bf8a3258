"""The steps that compare and judge: measure challenger, champion and baseline on the same rows, apply the gate."""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING

from include.core.errors import NightshiftError, TrackingUnavailable
from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.evaluation.evidence import Evidence
    from include.evaluation.importance import Importance
    from include.evaluation.search import SearchProgress
    from include.gate.verdict import Verdict
    from include.training.fitted_challenger import FittedChallenger
    from include.workflows.retrain.measure import ChampionModel
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)

#: Time limit for measuring the importance of the features, in seconds.
IMPORTANCE_SECONDS = 20


def evaluate(pipeline: Pipeline, plan: RunPlan) -> Evidence:
    """Measure challenger, champion and baseline on the same holdout rows; return the evidence."""
    from include.evaluation.collect import ChallengerFacts
    from include.evaluation.metrics import Metric
    from include.training.model_file import load_model, trusted_of
    from include.training.target import encode_target
    from include.workflows.retrain.explain import write_explanations
    from include.workflows.retrain.export import write_exports
    from include.workflows.retrain.measure import ChallengerModel, HoldoutRows, measure_evidence
    from include.workflows.retrain.reference import write_reference
    from include.workflows.retrain.refit import read_refits
    from include.workflows.retrain.split import label_coverage

    challenger = files.challenger(plan)
    frame, split = files.frame_and_split(pipeline, plan)
    chosen, training, label = challenger.chosen, pipeline.training, pipeline.features.label
    classes = chosen.classes
    rows = frame.iloc[split.holdout]
    holdout = HoldoutRows(
        frame=rows,
        y=encode_target(training, rows[label], classes),
        learned=encode_target(training, frame[label].iloc[split.train], classes),
        start=date.fromisoformat(split.holdout_start),
        end=date.fromisoformat(split.holdout_end),
        classes=classes,
    )
    facts = ChallengerFacts(
        family=chosen.family,
        as_of=plan.as_of,
        train_start=challenger.train_start,
        train_end=challenger.train_end,
        threshold=challenger.threshold,
        needed_days=2 * training.gap_days + training.holdout_days,
    )
    metric = Metric.of(training, challenger.threshold)
    if plan.champion:
        log.info("%s: loads the champion, version %s", pipeline.name, plan.champion.version)
    champion = _champion(pipeline, plan)
    against = f"the champion, version {plan.champion.version}, and the baseline" if plan.champion else "the baseline"
    log.info("%s: measures the challenger and %s on %s held-out rows", pipeline.name, against, f"{len(rows):,}")
    with files.challenger_copy(plan) as path:
        model = load_model(path, challenger.sha256, trusted_of(training))
        evidence = measure_evidence(
            pipeline,
            holdout,
            ChallengerModel(model, facts, path, challenger.sha256, chosen.features),
            champion,
            read_refits(pipeline, plan, challenger.made_from, metric, holdout.y),
            label_coverage(pipeline, frame, split),
            _search(pipeline, plan),
        )
    run_files.write_json(files.folder(plan) / "evidence.json", evidence.to_json())
    log.info(
        "%s: measures the importance of %s features, for at most %s s",
        pipeline.name,
        len(chosen.features),
        IMPORTANCE_SECONDS,
    )
    importance = _importance(pipeline, model, rows, holdout.y, challenger)
    run_files.write_json(files.folder(plan) / "importance.json", [each.to_json() for each in importance])
    log.info("%s: explains predictions, and writes the curves and the reference for monitoring", pipeline.name)
    write_explanations(pipeline, plan, model, champion, holdout, frame.iloc[split.train], metric)
    write_exports(pipeline, plan, model, rows, classes)
    write_reference(pipeline, plan, model, frame.iloc[split.train], rows)
    return evidence


def judge(pipeline: Pipeline, plan: RunPlan) -> Verdict:
    """Apply the gate to the evidence; return the verdict."""
    from include.gate.report import verdict_table
    from include.gate.verdict import decide

    evidence = files.evidence(plan)
    verdict = decide(evidence, pipeline.gate)
    run_files.write_json(files.folder(plan) / "verdict.json", verdict.to_json())
    log.info("%s: %s", pipeline.name, _expected_outcome(pipeline, plan, verdict))
    for line in verdict_table(evidence, verdict).splitlines():
        log.info("%s", line)
    return verdict


def _expected_outcome(pipeline: Pipeline, plan: RunPlan, verdict: Verdict) -> str:
    """Return what the run will do to the champion; a hold that cannot be read now is found at the registration."""
    from include.registry.promotion import held
    from include.workflows.retrain.outcome import expected_outcome

    try:
        hold = held(pipeline.name) if verdict.verdict == "promote" and not plan.dry_run else None
    except TrackingUnavailable as error:
        log.warning("%s: whether promotions are held is not known yet: %s", pipeline.name, error)
        hold = None
    return expected_outcome(pipeline, plan, verdict, hold)


def _search(pipeline: Pipeline, plan: RunPlan) -> SearchProgress:
    """Return how far the search of this run came."""
    from include.evaluation.search import CandidateTried, SearchProgress
    from include.training.candidates import candidates_of

    training, candidates = pipeline.training, candidates_of(pipeline.training)
    tried = [
        CandidateTried(
            family=family,
            finished=sum(trial.state == "complete" for trial in result.trials),
            seconds=result.seconds,
            searches=candidates[family].searches,
            failed=any(trial.state == "fail" for trial in result.trials),
            note=result.note,
        )
        for family, result in files.tuning(plan).items()
    ]
    return SearchProgress(tried, None if training.deterministic else plan.tuning_seconds, training.tuning.parallel)


def _champion(pipeline: Pipeline, plan: RunPlan) -> ChampionModel | None:
    """Return the loaded champion, or the reason why it cannot be loaded."""
    from include.evaluation.collect import ChampionFacts
    from include.registry.load_model import load_with_inputs
    from include.training.model_file import trusted_of
    from include.workflows.retrain.measure import ChampionModel

    if plan.champion is None:
        return None
    facts = ChampionFacts(
        version=plan.champion.version,
        as_of=plan.champion.as_of,
        train_end=plan.champion.train_end,
        threshold=plan.champion.threshold,
    )
    try:
        model, inputs = load_with_inputs(plan.champion, trusted_of(pipeline.training))
    except (NightshiftError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, NightshiftError) and error.retryable:
            raise  # a retry may load the champion
        log.warning("%s: the champion, version %s, cannot be loaded: %s", pipeline.name, plan.champion.version, error)
        return ChampionModel(facts, error=f"{type(error).__name__}: {error}")
    return ChampionModel(facts, model, inputs=inputs)


def _importance(
    pipeline: Pipeline, model: Model, holdout: pd.DataFrame, y: np.ndarray, challenger: FittedChallenger
) -> list[Importance]:
    """Return how much worse the metric gets when a feature's values are shuffled over the holdout, by feature."""
    from include.evaluation.importance import permutation_importance
    from include.evaluation.metrics import Metric
    from include.training.fit import predict

    training = pipeline.training
    return permutation_importance(
        lambda frame: predict(model, frame, training, challenger.chosen.classes),
        holdout,
        y,
        challenger.chosen.features,
        Metric.of(training, challenger.threshold),
        repeats=3,
        max_rows=5000,
        seed=training.seed,
        seconds=IMPORTANCE_SECONDS,
    )
