"""Tune one candidate with Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config import Pipeline
    from include.retraining.plan import RunPlan


class TuneCandidateOperator(RunStepOperator):
    """Search one family's parameters on time-ordered folds, for its share of the run's budget.

    Parameters
    ----------
    candidate
        Family of models, as pipeline.yaml names it.
    """

    template_fields = ("candidate",)

    def __init__(self, *, candidate: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.candidate = candidate

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return the best parameters and their score."""
        from include.retraining import steps

        return steps.tune(pipeline, plan, self.candidate)
