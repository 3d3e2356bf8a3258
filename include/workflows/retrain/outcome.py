"""What a run did to the champion, in one sentence: the first line of its logs, its message and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.gate.verdict import Verdict
    from include.registry.promotion import Hold
    from include.workflows.retrain.documents import RegistrationResult
    from include.workflows.retrain.plan import RunPlan

_EARNED = "(the verdict was promote)"
#: How the notes of a registration begin that did not promote.
NOT_PROMOTED = "not promoted: "
WAITING = "waiting for an answer"


def expected_outcome(pipeline: Pipeline, plan: RunPlan, verdict: Verdict, hold: Hold | None) -> str:
    """Return what the rest of the run will do to the champion.

    Parameters
    ----------
    hold
        The hold in force at the verdict.
    """
    if verdict.verdict != "promote" or plan.dry_run:
        return _without_promotion(plan, verdict)
    if hold:
        return f"NOT PROMOTED: {hold.note(plan.pipeline)} {_EARNED}"
    if pipeline.needs_approval:
        return f"NOT PROMOTED YET: a person will be asked for approval {_EARNED}"
    return f"TO BE PROMOTED: the challenger will be {_replacing(plan)}"


def describe_outcome(plan: RunPlan, verdict: Verdict, registration: RegistrationResult) -> str:
    """Return what the run did to the champion.

    A version that is the champion was promoted, also where this run's verdict was promote and a person approved.
    """
    if verdict.verdict != "promote" or plan.dry_run:
        return _without_promotion(plan, verdict)
    if registration.alias == "champion":
        return f"PROMOTED: version {registration.version} is {_replacing(plan)}"
    why = registration.note.removeprefix(NOT_PROMOTED)
    if why == WAITING:
        return f"NOT PROMOTED YET: {WAITING} {_EARNED}"
    return f"NOT PROMOTED: {why or 'another version has become the champion meanwhile'} {_EARNED}"


def _without_promotion(plan: RunPlan, verdict: Verdict) -> str:
    if not plan.dry_run:
        return f"NOT PROMOTED: {verdict.reason}"
    if verdict.verdict == "promote":
        return f"NOT PROMOTED: this is a dry run, which registers nothing {_EARNED}"
    return f"NOT PROMOTED: this is a dry run, and the verdict was {verdict.reason}"


def _replacing(plan: RunPlan) -> str:
    """Return the place of a promoted version."""
    if plan.champion is None:
        return "the first champion"
    return f"the champion in place of version {plan.champion.version}"
