"""Measure drift from the champion's training data, and how good its predictions were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.operators.step import PipelineStepOperator, note_run

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.workflows.monitor.measure import MonitoringSummary


class MeasureDriftOperator(PipelineStepOperator):
    """Follow the run's plan, log the results as a table and note the outcome; an alert does not fail the task."""

    def run_step(self, pipeline: Pipeline, context: Context) -> MonitoringSummary:
        """Return the day, the alerts and the table of results."""
        from include.workflows.monitor.measure import measure_drift
        from include.workflows.monitor.plan import MonitoringPlan

        found = measure_drift(pipeline, MonitoringPlan.load(pipeline.name, context["dag_run"].run_id))
        note_run(context, found.outcome)
        return found
