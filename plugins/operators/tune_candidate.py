"""Tune one candidate with Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class TuneCandidateOperator(PipelineStepOperator):
    """Search one family's parameters on time-ordered folds, for its share of the run's budget.

    Parameters
    ----------
    plan
        What PlanRunOperator returned.
    features
        What BuildFeaturesOperator returned.
    candidate
        Family of models, as pipeline.yaml names it.
    """

    template_fields = ("plan", "features", "candidate")

    def __init__(self, *, plan: Any, features: Any, candidate: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.features = features
        self.candidate = candidate

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the best parameters and their score."""
        from include.retraining import steps
        from include.retraining.plan import RunPlan

        return steps.tune(pipeline, RunPlan.from_json(self.plan), self.features, self.candidate)
