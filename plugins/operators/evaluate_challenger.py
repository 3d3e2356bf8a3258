"""Score challenger, champion and baseline on the same holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class EvaluateChallengerOperator(RunStepOperator):
    """Score the challenger, the champion and the baseline on the same held-out rows."""

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return the evidence for the gate."""
        from include.workflows.retrain import steps

        return steps.evaluate(pipeline, plan)
