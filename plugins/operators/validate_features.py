"""Validate a feature table with Great Expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class ValidateFeaturesOperator(PipelineStepOperator):
    """Hold the feature table against expectations/features.yaml.

    Parameters
    ----------
    plan
        What PlanRunOperator returned.
    features
        What BuildFeaturesOperator returned.
    """

    template_fields = ("plan", "features")

    def __init__(self, *, plan: Any, features: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.features = features

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the feature table's version, for the tasks that learn from it."""
        from include.retraining import steps
        from include.retraining.plan import RunPlan

        return steps.validate(pipeline, RunPlan.from_json(self.plan), self.features)
