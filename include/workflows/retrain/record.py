"""The steps that record: register the challenger with all that explains it, and sum up the run."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from include.core.errors import NightshiftError
from include.lake import run_files
from include.workflows.retrain import files
from include.workflows.retrain.approve import answer_of, may_promote, told, waits_for_approval
from include.workflows.retrain.compare import threshold_of
from include.workflows.retrain.definition import pipeline_files

if TYPE_CHECKING:
    import pandas as pd
    from upath import UPath

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


def summarize(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Log what the run came to, add it to the pipeline's records, and return it."""
    from include.gate.report import verdict_table
    from include.registry.pages import version_page
    from include.workflows.retrain.decisions import record_run

    verdict = files.verdict(plan)
    registration = run_files.read_json(files.folder(plan) / "registration.json", "what was registered")
    table = verdict_table(files.evidence(plan), verdict)
    version, alias = registration["version"], registration["alias"]
    lines = [f"{pipeline.name}, as of {plan.as_of}: {pipeline.description}"]
    for family, result in _tuning(plan).items():
        if result["note"]:
            without = " has no result" if result["trial"] is None else ""
            lines.append(f"Candidate {family}{without}: {result['note']}")
    lines += ["", table, ""]
    lines += [f"Challenger: {reason}" for reason in files.challenger(plan)["reasons"]]
    if version:
        lines.append(f"Registered: {pipeline.name} version {version}" + (f", alias {alias}" if alias else ""))
    if registration["note"]:
        lines.append(registration["note"])
    page = version_page(pipeline.name, version) if version else None
    if page:
        lines.append(f"Look further: {page}")
    if registration.get("card"):
        lines.append(f"Model card: {registration['card']}")
    features_page = _document_features(pipeline, plan)
    if features_page:
        lines.append(f"Features: {features_page}")
    lines.append(f"Files of this run: {files.folder(plan)}")
    # the alias has the last word: another run may have promoted between the verdict and the registration
    overtaken = verdict.verdict == "promote" and version and alias != "champion"
    reason = registration["note"] or verdict.reason
    answer = answer_of(plan)
    if answer:
        lines.append(f"Answer: {told(answer)}")
    if not plan.dry_run:
        kept = record_run(pipeline, plan)
        lines.append(f"Record: number {kept.number}, SHA-256 {kept.digest}")
    for line in "\n".join(lines).splitlines():
        log.info("%s", line)
    log.info("%s: %s", pipeline.name, reason)
    return {
        "verdict": "keep" if overtaken else verdict.verdict,
        "reason": reason,
        "version": version,
        "alias": alias,
        "as_of": plan.as_of,
        "table": "\n".join(lines),
    }


def _document_features(pipeline: Pipeline, plan: RunPlan) -> UPath | None:
    """Write the page of the features and return where, or None where it cannot be: without it a run is as good."""
    from include.registry.importance import champion_importance
    from include.reports.feature_page import write_feature_page

    try:
        return write_feature_page(pipeline, files.features(plan), champion_importance(pipeline.name))
    except NightshiftError as error:
        log.warning("%s: the page of the features was not written: %s", pipeline.name, error)
    except Exception:
        log.exception("%s: the page of the features was not written", pipeline.name)
    return None


def _tuning(plan: RunPlan) -> dict[str, dict[str, Any]]:
    return run_files.read_json(files.folder(plan) / "tuning.json", "what the search found")


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
        "as_of": plan.as_of,
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
        "tuning": _tuning(plan),
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
