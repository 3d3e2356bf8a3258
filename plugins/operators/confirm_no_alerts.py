"""Mark the monitor's runs with alerts in Airflow's grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline


class ConfirmNoAlertsOperator(PipelineStepOperator):
    """Succeed without alerts; with alerts, log each as a warning and skip the task, which the grid shows in pink.

    Parameters
    ----------
    measured
        Id of the task that returned the alerts.
    """

    def __init__(self, *, measured: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.measured = measured

    def run_step(self, pipeline: Pipeline, context: Context) -> None:
        """Return if there is no alert."""
        found: dict[str, Any] = context["ti"].xcom_pull(task_ids=self.measured)
        if not found["alerts"]:
            self.log.info("%s: no alert; %s", pipeline.name, found["outcome"])
            return
        for alert in found["alerts"]:
            self.log.warning("ALERT  %s %s: %s", alert["kind"], alert["name"], alert["sentence"])
        raise AirflowSkipException(f"{pipeline.name}: {found['outcome']}; this task succeeds only without alerts")
