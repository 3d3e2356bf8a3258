"""Apply the gate: from evidence to a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class ApplyGateOperator(RunStepOperator):
    """Decide whether the challenger is promoted."""

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return the verdict with the outcome of every check."""
        from include.workflows.retrain import steps

        return steps.judge(pipeline, plan)
