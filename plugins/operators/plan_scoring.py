"""Plan a scoring run: pin its day, its table versions and the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.operators.step import PipelineStepOperator, as_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.workflows.score.plan import ScoringPlan


class PlanScoringOperator(PipelineStepOperator):
    """Pin everything that the predictions depend on; the form's one field is `as_of`."""

    def run_step(self, pipeline: Pipeline, context: Context) -> ScoringPlan:
        """Return the plan."""
        from include.workflows.score.plan import plan_scoring

        return plan_scoring(pipeline, run_key=context["dag_run"].run_id, as_of=as_of(context))
