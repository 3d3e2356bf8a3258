"""What the operators share: a step of a pipeline, whose failure is one sentence in the task's log."""

from __future__ import annotations

import faulthandler
from abc import abstractmethod
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from include.core.errors import NightshiftError
from plugins.retries import ServiceAway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan


@contextmanager
def told_to_airflow() -> Iterator[None]:
    """Fail the task with the sentence of an error of ours, at once where no retry can mend it.

    Where a library ends the process by a signal there is no error, so the log gets the place in the code.
    """
    if not faulthandler.is_enabled():
        faulthandler.enable(file=2)  # which Airflow copies into the task's log
    try:
        yield
    except NightshiftError as error:
        kind = AirflowFailException
        if error.retryable:
            kind = ServiceAway if error.service_away else AirflowException
        raise kind(f"{type(error).__name__}: {error}") from None


def as_of(context: Context) -> date | None:
    """Return the day that the run's form names, or None."""
    named = context["params"].get("as_of")
    return date.fromisoformat(named) if named else None


class PipelineStepOperator(BaseOperator):
    """Run one step of a pipeline.

    Parameters
    ----------
    pipeline
        Name of the pipeline's folder.
    """

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def execute(self, context: Context) -> Any:
        """Run the step; an error that no retry can mend fails the task at once."""
        from include.config.loader import load_pipeline

        with told_to_airflow():
            return self.run_step(load_pipeline(self.pipeline), context)

    @abstractmethod
    def run_step(self, pipeline: Pipeline, context: Context) -> Any:
        """Do the work and return a small JSON reference to it."""


class RunStepOperator(PipelineStepOperator):
    """Run one step of a retraining run, by the plan that the run's first task made."""

    def run_step(self, pipeline: Pipeline, context: Context) -> Any:
        """Load the run's plan and follow it."""
        from include.workflows.retrain.plan import RunPlan

        return self.follow(pipeline, RunPlan.load(pipeline.name, context["dag_run"].run_id))

    @abstractmethod
    def follow(self, pipeline: Pipeline, plan: RunPlan) -> Any:
        """Do the work and return what came of it."""
