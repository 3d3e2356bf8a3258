"""Register the run's model in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class RegisterModelOperator(RunStepOperator):
    """Register the challenger with all that explains it, as champion or challenger."""

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return the version and its alias."""
        from include.workflows.retrain import steps

        return steps.register(pipeline, plan)
