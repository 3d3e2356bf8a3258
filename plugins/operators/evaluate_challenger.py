"""Score challenger, champion and baseline on the same holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class EvaluateChallengerOperator(PipelineStepOperator):
    """Score the challenger, the champion and the baseline on the same held-out rows.

    Parameters
    ----------
    plan
        What PlanRunOperator returned.
    features
        What BuildFeaturesOperator returned.
    challenger
        What TrainChallengerOperator returned.
    """

    template_fields = ("plan", "features", "challenger")

    def __init__(self, *, plan: Any, features: Any, challenger: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.features = features
        self.challenger = challenger

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the evidence for the gate."""
        from include.retraining import steps
        from include.retraining.plan import RunPlan

        return steps.evaluate(pipeline, RunPlan.from_json(self.plan), self.features, self.challenger)
