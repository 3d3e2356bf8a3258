"""Measure whether the world is as it was when the champion was trained, and how good its predictions were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline


class MeasureDriftOperator(PipelineStepOperator):
    """Follow the plan that the run's first task made, and log what was found as a table; an alert is no failure."""

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the day, the alerts and the table."""
        from include.workflows.monitor.measure import measure_drift
        from include.workflows.monitor.plan import MonitoringPlan

        return measure_drift(pipeline, MonitoringPlan.load(pipeline.name, context["dag_run"].run_id))
