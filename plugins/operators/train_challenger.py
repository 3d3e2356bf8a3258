"""Fit the best candidate: the challenger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class TrainChallengerOperator(PipelineStepOperator):
    """Choose the best tuned candidate and fit it on all rows before the holdout.

    Parameters
    ----------
    plan
        What PlanRunOperator returned.
    features
        What BuildFeaturesOperator returned.
    results
        What each TuneCandidateOperator returned.
    """

    template_fields = ("plan", "features", "results")

    def __init__(self, *, plan: Any, features: Any, results: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.features = features
        self.results = results

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the challenger's file and what it learned from."""
        from include.retraining import steps
        from include.retraining.plan import RunPlan

        return steps.train(pipeline, RunPlan.from_json(self.plan), self.features, list(self.results))
