"""Sum up a run, for the person who reads its last log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class SummarizeRunOperator(PipelineStepOperator):
    """Log the verdict as a table and where to look further.

    Parameters
    ----------
    plan
        What PlanRunOperator returned.
    evidence
        What EvaluateChallengerOperator returned.
    verdict
        What ApplyGateOperator returned.
    registration
        What RegisterModelOperator returned.
    """

    template_fields = ("plan", "evidence", "verdict", "registration")

    def __init__(self, *, plan: Any, evidence: Any, verdict: Any, registration: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.evidence = evidence
        self.verdict = verdict
        self.registration = registration

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the verdict, the version and the table."""
        from include.retraining import steps
        from include.retraining.plan import RunPlan

        return steps.summarize(pipeline, RunPlan.from_json(self.plan), self.evidence, self.verdict, self.registration)
