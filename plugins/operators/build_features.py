"""Build the feature table of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.page_links import FeaturePageLink
from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class BuildFeaturesOperator(RunStepOperator):
    """Run features.sql over the tables that the plan pins."""

    operator_extra_links = (FeaturePageLink(),)

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return the feature table's version."""
        from include.workflows.retrain import steps

        return steps.build(pipeline, plan)
