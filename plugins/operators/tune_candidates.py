"""Tune the candidates with Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import RunStepOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


class TuneCandidatesOperator(RunStepOperator):
    """Search all candidates' parameters on time-ordered folds, within the run's budget.

    Parameters
    ----------
    worker
        Number of this task, of those that work on the same search.
    """

    def __init__(self, *, worker: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.worker = worker

    def follow(self, pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
        """Return the best score of each family."""
        from include.workflows.retrain import steps

        return steps.tune(pipeline, plan, self.worker)
