"""Build the feature table of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class BuildFeaturesOperator(PipelineStepOperator):
    """Run features.sql over the tables that the plan pins.

    Parameters
    ----------
    plan
        What PlanRunOperator returned.
    """

    template_fields = ("plan",)

    def __init__(self, *, plan: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the feature table's version."""
        from include.retraining import steps
        from include.retraining.plan import RunPlan

        return steps.build(pipeline, RunPlan.from_json(self.plan))
