"""The step that registers the challenger in MLflow, with everything that explains it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from include.lake import run_files
from include.workflows.retrain import files
from include.workflows.retrain.approve import answer_of, may_promote, told, waits_for_approval
from include.workflows.retrain.compare import threshold_of
from include.workflows.retrain.definition import pipeline_files

if TYPE_CHECKING:
    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.registry.run_record import Registration, RunRecord
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)

#: Longer tags are refused by MLflow.
MAX_TAG = 4500


def register(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Register the challenger in MLflow and return its version and alias; a dry run registers nothing."""
    from include.registry.pages import card_page
    from include.registry.register import register_model
    from include.training.model_file import trusted_of

    if plan.dry_run:
        log.info("%s: a dry run registers nothing", plan.pipeline)
        registration = {"version": None, "alias": None, "mlflow_run_id": None, "note": "dry run: nothing registered"}
    else:
        challenger = files.challenger(plan)
        frame, split = files.frame_and_split(pipeline, plan)
        registered = register_model(
            _record(pipeline, plan, challenger),
            files.load_challenger(pipeline, plan),
            _example(pipeline, frame.iloc[split.train][challenger["features"]]),
            classifies=pipeline.training.classifies,
            trusted=trusted_of(pipeline.training),
            promote=may_promote(pipeline, plan),
            expected_champion=plan.champion.version if plan.champion else None,
        )
        registration = _with_answer(pipeline, plan, registered) | {"card": card_page(registered.mlflow_run_id)}
        alias = f", alias {registration['alias']}" if registration["alias"] else ""
        log.info("%s: version %s%s", plan.pipeline, registration["version"], alias)
        if registration["note"]:
            log.info("%s: %s", plan.pipeline, registration["note"])
    run_files.write_json(files.folder(plan) / "registration.json", registration)
    return registration


def _with_answer(pipeline: Pipeline, plan: RunPlan, registered: Registration) -> dict[str, Any]:
    """Return where the model went, with a note where a person's answer decides it."""
    registration = registered.to_json()
    if waits_for_approval(pipeline, plan):
        registration["note"] = "not promoted: an answer is waited for"
    elif (answer := answer_of(plan)) and not answer["approved"]:
        registration["note"] = f"not promoted: {told(answer)}"
    return registration


def _example(pipeline: Pipeline, rows: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """Return a few rows of the features that the model takes, numbers as doubles."""
    from include.training.columns import feature_columns

    whole = rows.dropna().head(count)
    example = whole if len(whole) else rows.head(count)
    return example.astype(dict.fromkeys(feature_columns(pipeline, example).numeric, "float64"))


def _record(pipeline: Pipeline, plan: RunPlan, challenger: dict[str, Any]) -> RunRecord:
    """Gather what MLflow is told of the run."""
    from include.gate.report import verdict_table
    from include.registry.run_record import RunRecord, documents
    from include.workflows.retrain.explain import card_documents, explanations
    from include.workflows.retrain.export import exported_files
    from include.workflows.retrain.reference import model_files

    evidence, verdict, features = files.evidence(plan), files.verdict(plan), files.features(plan)
    measured, metric = evidence.to_json(), pipeline.training.metric
    members = {member["family"]: member["params"] for member in challenger["members"]}
    tags = {
        "as_of": plan.as_of.isoformat(),
        "verdict": verdict.verdict,
        "family": challenger["family"],
        "train_start": challenger["train_start"],
        "train_end": challenger["train_end"],
        "snapshot": ", ".join(f"{source}={version}" for source, version in plan.snapshot.items()),
        "code_version": plan.code_version,
        "seed": str(plan.seed),
        "members": json.dumps(members),
    }
    if challenger["threshold"]:
        tags["threshold"] = repr(threshold_of(challenger))
    facts = {
        "plan": plan.to_json(),
        "evidence": measured,
        "verdict": verdict.to_json(),
        "tuning": files.tuning(plan),
        "features": features.to_json(),
        "challenger": challenger,
        "importance": run_files.read_json(files.folder(plan) / "importance.json", "the importance of the features"),
        **explanations(plan),
    }
    return RunRecord(
        name=plan.pipeline,
        run_key=plan.run_key,
        sha256=challenger["sha256"],
        params=_params(plan, challenger),
        metrics=_measured("holdout", measured["challenger"])
        | _measured("baseline", measured["baseline"])
        | _measured("champion", measured["champion"])
        | {f"tuning.{metric}": challenger["tuning_score"]},
        version_tags={name: value for name, value in tags.items() if len(value) <= MAX_TAG},
        run_tags={
            "pipeline": plan.pipeline,
            "owner": pipeline.owner,
            "features_version": str(features.version),
            "features_build": features.build,
            "lock": plan.lock,
        },
        documents=documents(**facts)
        | {"verdict.txt": verdict_table(evidence, verdict)}
        | {f"pipeline/{path}": text for path, text in pipeline_files(pipeline).items()},
        files=exported_files(pipeline, plan),
        model_files=model_files(plan),
        told_of=lambda registered: card_documents(
            pipeline,
            facts | {"registration": _with_answer(pipeline, plan, registered), "approval": answer_of(plan)},
        ),
        description=f"{pipeline.description}\n\n{verdict.reason}\n\n"
        "Its card is model_card.html, among the artifacts of its source run.",
    )


def _params(plan: RunPlan, challenger: dict[str, Any]) -> dict[str, Any]:
    """Return the run's parameters by name; those of several members bear the family's name."""
    params = {"family": challenger["family"], "rows": challenger["rows"], "seed": plan.seed}
    params["calibration"] = challenger["calibration"]
    for member in challenger["members"]:
        several = len(challenger["members"]) > 1
        params |= {f"{member['family']}.{name}" if several else name: each for name, each in member["params"].items()}
        if several:
            params[f"{member['family']}.weight"] = member["weight"]
    return params


def _measured(prefix: str, measured: dict[str, Any] | None) -> dict[str, float]:
    """Return the metrics that are defined, named for MLflow."""
    values = (measured or {}).get("metrics") or {}
    return {f"{prefix}.{name}": value for name, value in values.items() if value is not None}
