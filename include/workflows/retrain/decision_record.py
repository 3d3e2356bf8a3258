"""The record of one run: what it read, tried, measured and decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.core.json_document import to_json_types
from include.registry.records.chain import append
from include.workflows.retrain import files
from include.workflows.retrain.definition import pipeline_files
from include.workflows.retrain.results import RunResults

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.core.json_value import JsonObject
    from include.evaluation.curves import Curves
    from include.evaluation.evidence import Evidence
    from include.registry.records.record import Record
    from include.workflows.retrain.documents import RegistrationResult
    from include.workflows.retrain.plan import RunPlan


def record_run(pipeline: Pipeline, plan: RunPlan) -> Record:
    """Record what a run read, tried, measured and decided; a repeated run has one record.

    Raises
    ------
    LakeError
        If the record cannot be written.
    """
    key = f"retrain {plan.run_key}"
    return append(
        plan.pipeline,
        "retrain",
        key,
        by=f"{plan.pipeline}.retrain",
        content=_content(pipeline, RunResults.read(plan)),
        now=datetime.now(UTC),
    )


def champions_of(plan: RunPlan, registration: RegistrationResult) -> tuple[int | None, int | None]:
    """Return the champion's version before and after a run.

    Where another run has promoted since this one was planned, this run has found and left that version.
    """
    if registration.alias == "champion":
        return plan.champion.version if plan.champion else None, registration.version
    return registration.champion, registration.champion


def _content(pipeline: Pipeline, results: RunResults) -> JsonObject:
    """Return the decision of a run as JSON types."""
    plan, features, verdict = results.plan, results.features, results.verdict
    registration, answer = files.registration(plan), files.answer(plan)
    before, after = champions_of(plan, registration)
    content = {
        "run": plan.run_key,
        "as_of": plan.as_of,
        "planned_at": plan.created_at,
        "dry_run": plan.dry_run,
        "snapshot": plan.snapshot,
        "features": {
            "version": features.version,
            "build": features.build,
            "rows": features.rows,
            "labelled_rows": features.labelled_rows,
        },
        "rows": {"learned": results.challenger.rows, "held_out": results.evidence.holdout.rows},
        "code": {"version": plan.code_version.removesuffix("-dirty"), "dirty": plan.code_version.endswith("-dirty")},
        "lock": plan.lock,
        "definition": pipeline_files(pipeline),
        "seed": plan.seed,
        "tuning_seconds": plan.tuning_seconds,
        "training": pipeline.training.model_dump(mode="json"),
        "gate": pipeline.gate.model_dump(mode="json"),
        "tuning": results.tuning,
        "challenger": results.challenger,
        "evidence": results.evidence,
        "verdict": verdict.verdict,
        "reason": registration.note or verdict.reason,
        "checks": verdict.results,
        "metric": _metric(results.evidence, results.explanations.curves),
        "approval": answer,
        "approver": answer.approver if answer else None,
        "mlflow_run": registration.mlflow_run_id,
        "challenger_version": registration.version,
        # a registration of an earlier release has no digests
        "registered_model": {"sha256": registration.sha256, "manifest": registration.manifest},
        "champion_before": before,
        "champion_after": after,
    }
    return to_json_types(content)


def _metric(evidence: Evidence, curves: Curves | None) -> JsonObject:
    """Return the gate's metric with its interval, and its difference to the opponent's."""
    name, opponent = evidence.metric, evidence.champion or evidence.baseline
    low, high = curves.intervals.get(name, (None, None)) if curves else (None, None)
    return {
        "name": name,
        "value": evidence.challenger.metrics.get(name),
        "low": low,
        "high": high,
        "better_by": opponent.difference,
    }
