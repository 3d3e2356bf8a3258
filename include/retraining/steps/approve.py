"""The question whether a version may become the champion, and the answer that a person gave."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include import workspace
from include.retraining.steps import files

if TYPE_CHECKING:
    from upath import UPath

    from include.config import Pipeline
    from include.retraining.plan import RunPlan

log = logging.getLogger(__name__)


def approval_request(pipeline: Pipeline, plan: RunPlan) -> str | None:
    """Return the question as Markdown: the gate's table, what would be replaced, and where to look; None: nothing.

    Nothing is asked where the verdict promotes nothing, where nobody is to be asked, in a dry run, and where the
    question has been answered.
    """
    from include.gate.report import verdict_table
    from include.tracking.pages import version_page

    if not waits_for_approval(pipeline, plan):
        return None
    rule = pipeline.needs_approval
    assert rule is not None
    evidence, verdict = files.evidence(plan), files.verdict(plan)
    registration = workspace.read_json(files.folder(plan) / "registration.json", "what was registered")
    version, champion = registration["version"], evidence.champion
    links = [f"Files of this run: `{files.folder(plan)}`"]
    page = version_page(pipeline.name, version)
    if page:
        links.insert(0, f"[Version {version} in MLflow]({page})")
    if page and plan.champion:
        named = champion.name if champion else "gone"
        links.insert(1, f"[The champion, {named}]({version_page(pipeline.name, plan.champion.version)})")
    unanswered = "it is promoted" if rule.unanswered == "promote" else "the champion stays"
    return "\n\n".join(
        [
            f"**{pipeline.name}, as of {plan.as_of}**: {pipeline.description}",
            f"Version {version} would replace {champion.name if champion else 'no champion'}. Without an answer within "
            f"{rule.hours:g} hours {unanswered}.",
            f"```\n{verdict_table(evidence, verdict)}\n```",
            *links,
        ]
    )


def keep_answer(plan: RunPlan, *, approved: bool, by: str | None, reason: str, at: str) -> dict[str, Any]:
    """Keep the answer to the question for the steps that follow, and return it.

    Parameters
    ----------
    by
        None where nobody answered in time.
    """
    found = {"approved": approved, "by": by, "reason": reason, "at": at}
    workspace.write_json(_file(plan), found)
    log.info("%s: %s", plan.pipeline, told(found))
    return found


def waits_for_approval(pipeline: Pipeline, plan: RunPlan) -> bool:
    """Return whether only an answer is missing for the promotion."""
    earned = pipeline.needs_approval is not None and files.verdict(plan).verdict == "promote" and not plan.dry_run
    return earned and answer_of(plan) is None


def may_promote(pipeline: Pipeline, plan: RunPlan) -> bool:
    """Return whether the version may become the champion by what is known now."""
    if files.verdict(plan).verdict != "promote":
        return False
    answer = answer_of(plan)
    return pipeline.needs_approval is None or (answer is not None and answer["approved"])


def answer_of(plan: RunPlan) -> dict[str, Any] | None:
    """Return the answer that was given in this run, if one was."""
    path = _file(plan)
    return workspace.read_json(path, "the answer") if path.exists() else None


def told(answer: dict[str, Any]) -> str:
    """Return an answer as a sentence."""
    said = "approved" if answer["approved"] else "rejected"
    why = f": {answer['reason']}" if answer["reason"] else ""
    if answer["by"] is None:
        return f"{said} at {answer['at']}, since nobody answered in time"
    return f"{said} by {answer['by']} at {answer['at']}{why}"


def _file(plan: RunPlan) -> UPath:
    return files.folder(plan) / "approval.json"
