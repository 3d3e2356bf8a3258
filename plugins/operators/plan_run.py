"""Plan a retraining run: pin its table versions, the champion and the tuning budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.operators.step import PipelineStepOperator, as_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class PlanRunOperator(PipelineStepOperator):
    """Pin everything that the run's result depends on; the form has `as_of`, `tuning_seconds` and `dry_run`."""

    def run_step(self, pipeline: Pipeline, context: Context) -> RunPlan:
        """Return the plan."""
        from include.workflows.retrain.plan import plan_run

        params = context["params"]
        return plan_run(
            pipeline,
            run_key=context["dag_run"].run_id,
            as_of=as_of(context),
            tuning_seconds=params.get("tuning_seconds"),
            dry_run=params.get("dry_run", False),
        )
