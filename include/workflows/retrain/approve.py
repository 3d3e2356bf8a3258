"""The question whether a version may become the champion, and its answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.gate.answer import Answer
from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    from datetime import datetime

    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """The question before a promotion.

    Attributes
    ----------
    subject
        The question in one line.
    body
        The facts for an answer, as Markdown with tables: Airflow's page shows a block of code as one line.
    plain
        The same facts as plain text, for a message.
    """

    subject: str
    body: str
    plain: str


def approval_request(pipeline: Pipeline, plan: RunPlan) -> Question | None:
    """Return the question with the gate's table, the consequences and the links, or None where nothing is asked.

    Nothing is asked where the verdict promotes nothing, where the pipeline needs no approval, in a dry run, and where
    the question has been answered.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer whether promotions are held.
    """
    from include.gate.report import (
        ATTENTION_OUTCOMES,
        describe_holdout,
        describe_training,
        metric_notes,
        metric_rows,
        verdict_table,
    )
    from include.reports.card.blocks import Block, Table, Text
    from include.reports.card.markdown import markdown_block

    if not waits_for_approval(pipeline, plan):
        return None
    evidence, verdict = files.evidence(plan), files.verdict(plan)
    registration = files.registration(plan)
    version = registration.version
    assert version is not None, "a run that waits for an answer has registered a version"
    head, *rows = metric_rows(evidence)
    checks = [[each.code, each.outcome, each.title, each.explanation] for each in verdict.results]
    first = [row for row in checks if row[1] in ATTENTION_OUTCOMES]  # checks to consider stand above those that passed
    lines = [f"{pipeline.name}, as of {plan.as_of}: {pipeline.description}", *_consequences(pipeline, plan, version)]
    blocks: list[Block] = [
        Text(f"The gate: {verdict.reason}"),
        Table(head, rows, (1, 2, 3)),
        *(Text(note) for note in metric_notes(evidence)),
        Text(f"Trained: {describe_training(evidence)}. Measured on: {describe_holdout(evidence)}."),
        Table(["check", "outcome", "what has to hold", "why"], first + [row for row in checks if row not in first]),
    ]
    links = _links(pipeline, plan, version, registration.card)
    return Question(
        subject=f"{pipeline.name}: may version {version} become the champion?",
        body="\n\n".join(
            [
                *(markdown_block(Text(line)) for line in lines),
                " · ".join(f"[{name}]({address})" for name, address in links.items()),
                *(markdown_block(block) for block in blocks),
                f"Files of this run: `{files.folder(plan)}`",
            ]
        ),
        plain="\n".join(
            [
                *lines[1:],
                "",
                verdict_table(evidence, verdict),
                "",
                *(f"{name}: {address}" for name, address in links.items()),
                f"Files of this run: {files.folder(plan)}",
            ]
        ),
    )


def _consequences(pipeline: Pipeline, plan: RunPlan, version: int) -> list[str]:
    """Return what an approval, a rejection and no answer do, in sentences."""
    from include.registry.promotion import held

    rule, champion = pipeline.needs_approval, plan.champion
    assert rule is not None
    approved = f"Approved, version {version} is the first champion."
    stays = "there is still no champion"
    if champion:
        approved = f"Approved, version {version} replaces the champion, version {champion.version}."
        stays = f"version {champion.version} stays"
    unanswered = "it is promoted" if rule.unanswered == "promote" else stays
    lines = [f"{approved} Rejected, {stays}. Without an answer within {rule.hours:g} hours {unanswered}."]
    hold = held(pipeline.name)
    if hold:
        lines.append(f"Promotions are {hold.note(pipeline.name)}. Until then an approval promotes nothing.")
    return lines


def _links(pipeline: Pipeline, plan: RunPlan, version: int, card: str | None) -> dict[str, str]:
    """Return the addresses of pages by what each shows; none without a tracking server."""
    from include.registry.pages import version_page

    champion = plan.champion
    links = {
        f"Model card of version {version}": card,
        f"Version {version} in MLflow": version_page(pipeline.name, version),
    }
    if champion:
        links[f"The champion, version {champion.version}"] = version_page(pipeline.name, champion.version)
    return {name: address for name, address in links.items() if address}


def keep_answer(plan: RunPlan, *, approved: bool, by: str | None, reason: str, at: datetime) -> Answer:
    """Keep the answer for the steps that follow, and return it.

    Parameters
    ----------
    by
        None where nobody answered in time.
    """
    answer = Answer(approved, by, reason, at)
    run_files.write_json(files.folder(plan) / files.ANSWER, answer.to_json())
    log.info("%s: %s", plan.pipeline, answer.sentence)
    return answer


def waits_for_approval(pipeline: Pipeline, plan: RunPlan) -> bool:
    """Return whether the promotion lacks nothing but an answer."""
    earned = pipeline.needs_approval is not None and files.verdict(plan).verdict == "promote" and not plan.dry_run
    return earned and files.answer(plan) is None


def may_promote(pipeline: Pipeline, plan: RunPlan) -> bool:
    """Return whether the verdict and the answer so far let the version become the champion."""
    if files.verdict(plan).verdict != "promote":
        return False
    answer = files.answer(plan)
    return pipeline.needs_approval is None or (answer is not None and answer.approved)
