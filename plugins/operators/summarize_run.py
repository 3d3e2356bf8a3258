"""Sum up a run, for the person who reads its last log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.page_links import FeaturePageLink
from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class SummarizeRunOperator(RunStepOperator):
    """Log the verdict as a table and where to look further."""

    operator_extra_links = (FeaturePageLink(),)

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return the verdict, the version and the table."""
        from include.workflows.retrain import steps

        return steps.summarize(pipeline, plan)
