"""Apply the gate: from evidence to a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class ApplyGateOperator(PipelineStepOperator):
    """Decide whether the challenger is promoted.

    Parameters
    ----------
    plan
        What PlanRunOperator returned.
    evidence
        What EvaluateChallengerOperator returned.
    """

    template_fields = ("plan", "evidence")

    def __init__(self, *, plan: Any, evidence: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.evidence = evidence

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the verdict with the outcome of every check."""
        from include.retraining import steps
        from include.retraining.plan import RunPlan

        return steps.judge(pipeline, RunPlan.from_json(self.plan), self.evidence)
