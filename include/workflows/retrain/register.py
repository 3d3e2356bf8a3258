"""The step that registers the challenger in MLflow, with everything that explains it."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from include.lake import run_files
from include.workflows.retrain import files
from include.workflows.retrain.approve import may_promote, waits_for_approval
from include.workflows.retrain.definition import pipeline_files
from include.workflows.retrain.documents import RegistrationResult
from include.workflows.retrain.outcome import NOT_PROMOTED, WAITING, describe_outcome
from include.workflows.retrain.results import RunResults

if TYPE_CHECKING:
    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.evaluation.evidence import Metrics
    from include.registry.run_record import Registration, RunRecord
    from include.training.candidates import Params
    from include.training.fitted_challenger import FittedChallenger
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)

#: MLflow refuses longer tags.
MAX_TAG = 4500


def register(pipeline: Pipeline, plan: RunPlan) -> RegistrationResult:
    """Register the challenger in MLflow and return the result; a dry run registers nothing."""
    from include.registry.pages import card_page
    from include.registry.register import register_model
    from include.training.model_file import trusted_of

    if plan.dry_run:
        champion = plan.champion.version if plan.champion else None
        result = RegistrationResult(note="dry run: nothing registered", champion=champion)
    else:
        results = RunResults.read(plan)
        frame, split = files.frame_and_split(pipeline, plan)
        registered = register_model(
            _record(pipeline, results),
            files.load_challenger(pipeline, plan),
            _example(pipeline, frame.iloc[split.train][results.challenger.chosen.features]),
            classifies=pipeline.training.classifies,
            trusted=trusted_of(pipeline.training),
            promote=may_promote(pipeline, plan),
            expected_champion=plan.champion.version if plan.champion else None,
        )
        result = _result(pipeline, plan, registered, card=card_page(registered.mlflow_run_id))
        alias = f", alias {result.alias}" if result.alias else ""
        log.info("%s: registered version %s%s", plan.pipeline, result.version, alias)
    log.info("%s: %s", plan.pipeline, describe_outcome(plan, files.verdict(plan), result))
    run_files.write_json(files.folder(plan) / "registration.json", result.to_json())
    return result


def _result(pipeline: Pipeline, plan: RunPlan, registered: Registration, card: str | None = None) -> RegistrationResult:
    """Return the result of the registration, with a note where a person's answer decides the promotion."""
    answer = files.answer(plan)
    result = RegistrationResult(
        version=registered.version,
        alias=registered.alias,
        mlflow_run_id=registered.mlflow_run_id,
        note=registered.note,
        champion=registered.champion,
        card=card,
        sha256=registered.sha256,
        manifest=registered.manifest,
    )
    if waits_for_approval(pipeline, plan):
        return replace(result, note=f"{NOT_PROMOTED}{WAITING}")
    if answer and not answer.approved:
        return replace(result, note=f"{NOT_PROMOTED}{answer.sentence}")
    return result


def _example(pipeline: Pipeline, rows: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """Return a few rows of the features that the model takes, with numbers as doubles."""
    from include.training.columns import feature_columns

    whole = rows.dropna().head(count)
    example = whole if len(whole) else rows.head(count)
    return example.astype(dict.fromkeys(feature_columns(pipeline, example).numeric, "float64"))


def _record(pipeline: Pipeline, results: RunResults) -> RunRecord:
    """Return what MLflow keeps of the run."""
    from include.gate.report import verdict_table
    from include.registry.run_record import RunRecord, json_files
    from include.workflows.retrain.explain import card_documents
    from include.workflows.retrain.export import exported_files
    from include.workflows.retrain.reference import model_files

    plan, challenger, verdict = results.plan, results.challenger, results.verdict
    chosen, evidence = challenger.chosen, results.evidence
    tags = {
        "as_of": plan.as_of.isoformat(),
        "verdict": verdict.verdict,
        "family": chosen.family,
        "train_start": challenger.train_start.isoformat(),
        "train_end": challenger.train_end.isoformat(),
        "snapshot": ", ".join(f"{source}={version}" for source, version in plan.snapshot.items()),
        "code_version": plan.code_version,
        "seed": str(plan.seed),
        "members": json.dumps({member.family: member.params for member in chosen.members}),
    }
    if challenger.threshold is not None:
        tags["threshold"] = repr(challenger.threshold)
    return RunRecord(
        name=plan.pipeline,
        run_key=plan.run_key,
        sha256=challenger.sha256,
        params=_params(plan, challenger),
        metrics=_metrics("holdout", evidence.challenger.metrics)
        | _metrics("baseline", evidence.baseline.metrics)
        | _metrics("champion", evidence.champion.metrics if evidence.champion else None)
        | {f"tuning.{pipeline.training.metric}": chosen.tuning_score},
        version_tags={name: value for name, value in tags.items() if len(value) <= MAX_TAG},
        run_tags={
            "pipeline": plan.pipeline,
            "owner": pipeline.owner,
            "features_version": str(results.features.version),
            "features_build": results.features.build,
            "lock": plan.lock,
        },
        documents=json_files(results.documents())
        | {"verdict.txt": verdict_table(evidence, verdict)}
        | {f"pipeline/{path}": text for path, text in pipeline_files(pipeline).items()},
        files=exported_files(pipeline, plan),
        model_files=model_files(plan),
        documents_after=lambda registered: card_documents(
            pipeline, results.described(_result(pipeline, plan, registered), files.answer(plan))
        ),
        description=f"{pipeline.description}\n\n{verdict.reason}\n\n"
        "The model card is model_card.html, among the artifacts of the source run.",
    )


def _params(plan: RunPlan, challenger: FittedChallenger) -> Params:
    """Return the run's parameters by name, prefixed with the family where there are several members."""
    chosen = challenger.chosen
    params: Params = {
        "family": chosen.family,
        "rows": challenger.rows,
        "seed": plan.seed,
        "calibration": chosen.calibration,
    }
    if len(chosen.members) == 1:
        return params | chosen.members[0].params
    for member in chosen.members:
        params |= {f"{member.family}.{name}": each for name, each in member.params.items()}
        params[f"{member.family}.weight"] = member.weight
    return params


def _metrics(prefix: str, metrics: Metrics | None) -> dict[str, float]:
    """Return the metrics that are defined, by their names in MLflow."""
    return {f"{prefix}.{name}": value for name, value in (metrics or {}).items() if math.isfinite(value)}
