"""Prove that no feature of a run knows the future."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class ProveFeaturesOperator(RunStepOperator):
    """Build some rows again from what was known when they were asked, and compare them with the feature table."""

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return what was compared: the cut-offs, and how many rows and features."""
        from include.workflows.retrain import steps

        return steps.prove(pipeline, plan)
