"""Start a retraining when the monitor found an alert that it can fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from plugins.operators.step import PipelineStepOperator, as_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline


class AskRetrainingOperator(PipelineStepOperator):
    """Update the task's outlet on a current alert that a retraining can fix; skip the task otherwise.

    Parameters
    ----------
    measured
        Id of the task that returned the alerts.
    """

    def __init__(self, *, measured: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.measured = measured

    def run_step(self, pipeline: Pipeline, context: Context) -> list[str]:
        """Return the alerts that a retraining can fix."""
        from include.workflows.monitor.checks import reasons_to_retrain

        if as_of(context):
            raise AirflowSkipException("a day was asked for by hand, and an alert of a past day starts no retraining")
        found: dict[str, Any] = context["ti"].xcom_pull(task_ids=self.measured)
        wanted = reasons_to_retrain(found["alerts"])
        if not wanted:
            raise AirflowSkipException(f"as of {found['as_of']} no alert asks for a retraining: {found['summary']}")
        self.log.info("%s: a retraining is requested because of %s", pipeline.name, ", ".join(wanted))
        return wanted
