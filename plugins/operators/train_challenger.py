"""Fit the best candidate: the challenger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class TrainChallengerOperator(RunStepOperator):
    """Choose the best tuned candidate and fit it on all rows before the holdout."""

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return what the challenger is."""
        from include.workflows.retrain import steps

        return steps.train(pipeline, plan)
