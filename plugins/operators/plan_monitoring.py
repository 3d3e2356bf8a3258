"""Plan a monitoring run: pin its day, its table versions and the champion."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from plugins.operators.step import PipelineStepOperator, as_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.workflows.monitor.plan import MonitoringPlan


class PlanMonitoringOperator(PipelineStepOperator):
    """Pin everything that the run's results depend on; the form's one field is `as_of`."""

    def run_step(self, pipeline: Pipeline, context: Context) -> MonitoringPlan:
        """Return the plan."""
        from include.workflows.monitor.plan import plan_monitoring

        return plan_monitoring(
            pipeline,
            run_key=context["dag_run"].run_id,
            as_of=as_of(context),
            announced=self._announced(context),
        )

    @staticmethod
    def _announced(context: Context) -> date | None:
        """Return the newest day in the asset events that started the run."""
        events = [event for of_asset in context["triggering_asset_events"].values() for event in of_asset]
        days = [event.extra["as_of"] for event in events if "as_of" in event.extra]
        return max(map(date.fromisoformat, days), default=None)
