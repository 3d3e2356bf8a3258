"""Validate a feature table with Great Expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class ValidateFeaturesOperator(RunStepOperator):
    """Hold the feature table against expectations/features.yaml."""

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return how many expectations hold."""
        from include.workflows.retrain import steps

        return steps.validate(pipeline, plan)
