"""The step that sums up a run and adds it to the pipeline's records."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.core.airflow_pages import FEATURES, page_address
from include.core.errors import NightshiftError
from include.workflows.retrain import files
from include.workflows.retrain.documents import RunSummary

if TYPE_CHECKING:
    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)


def summarize(pipeline: Pipeline, plan: RunPlan) -> RunSummary:
    """Log the outcome of the run, add it to the pipeline's records, and return it."""
    from include.gate.report import verdict_table
    from include.registry.pages import version_page
    from include.workflows.retrain.decision_record import record_run
    from include.workflows.retrain.outcome import describe_outcome

    verdict = files.verdict(plan)
    registration = files.registration(plan)
    table = verdict_table(files.evidence(plan), verdict)
    version, alias = registration.version, registration.alias
    outcome = describe_outcome(plan, verdict, registration)
    lines = [f"{pipeline.name}: {outcome}", f"{pipeline.name}, as of {plan.as_of}: {pipeline.description}"]
    for family, result in files.tuning(plan).items():
        if result.note:
            without = " has no result" if result.trial is None else ""
            lines.append(f"Candidate {family}{without}: {result.note}")
    lines += ["", table, ""]
    lines += [f"Challenger: {reason}" for reason in files.challenger(plan).chosen.reasons]
    if version:
        lines.append(f"Registered: {pipeline.name} version {version}" + (f", alias {alias}" if alias else ""))
    page = version_page(pipeline.name, version) if version else None
    if page:
        lines.append(f"Look further: {page}")
    if registration.card:
        lines.append(f"Model card: {registration.card}")
    features_page = _document_features(pipeline, plan)
    if features_page:
        lines.append(f"Features: {page_address(FEATURES, pipeline.name) or features_page}")
    lines.append(f"Files of this run: {files.folder(plan)}")
    # another run may have promoted between the verdict and the registration, so the alias decides
    overtaken = verdict.verdict == "promote" and version and alias != "champion"
    answer = files.answer(plan)
    if answer:
        lines.append(f"Answer: {answer.sentence}")
    if not plan.dry_run:
        kept = record_run(pipeline, plan)
        lines.append(f"Record: number {kept.number}, SHA-256 {kept.digest}")
    for line in "\n".join(lines).splitlines():
        log.info("%s", line)
    log.info("%s: %s", pipeline.name, outcome)
    return RunSummary(
        verdict="keep" if overtaken else verdict.verdict,
        outcome=outcome,
        reason=registration.note or verdict.reason,
        version=version,
        alias=alias,
        as_of=plan.as_of,
        table="\n".join(lines),
    )


def _document_features(pipeline: Pipeline, plan: RunPlan) -> UPath | None:
    """Write the page of the features and return its path; None where an error, which is logged, prevented it."""
    from include.registry.importance import champion_importance
    from include.reports.feature_page import write_feature_page

    try:
        return write_feature_page(pipeline, files.features(plan), champion_importance(pipeline.name))
    except NightshiftError as error:
        log.warning("%s: the page of the features was not written: %s", pipeline.name, error)
    except Exception:
        log.exception("%s: the page of the features was not written", pipeline.name)
    return None
