"""Choose the automated features that help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class SelectFeaturesOperator(RunStepOperator):
    """Drop the automated features that do not help, before the candidates are tuned."""

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return which are kept, and which are dropped for what reason."""
        from include.workflows.retrain import steps

        return steps.select(pipeline, plan)
