"""Monitor: hold the world against what the champion was trained on, and its predictions against what came.

Once a day's predictions are published, the features and predictions of the last days are held against what the
champion has learned from, and predictions whose labels have come against those. The last task's log has what was
found as a table, the worst first; it becomes a day of the table `monitoring`. An alert fails nothing: it tells
those whom `notify` in pipeline.yaml names. The first task pins the day, the tables and the version, so a cleared
task finds the same again; start a new run to look at newer data. Where schedule.retrain is when_needed, an alert that
a newer model may mend starts the retraining.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG

from dags.pipelines import MONITOR, as_of_param, for_each_pipeline, predictions, retrain_wanted, task_defaults
from include.config import task_ids
from plugins.notifications import drift_notifiers, overdue_callbacks
from plugins.operators.ask_retraining import AskRetrainingOperator
from plugins.operators.measure_drift import MeasureDriftOperator
from plugins.operators.plan_monitoring import PlanMonitoringOperator
from plugins.retries import retried

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

FORM = {
    "as_of": as_of_param("the last day predicted; where schedule.monitor is not after_score, the last day ingested"),
}


def monitor_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that monitors a pipeline's champion."""
    schedule = pipeline.schedule.monitor
    with DAG(
        dag_id=f"{name}.monitor",
        description=f"Say whether the world is still as the champion of {name} knows it",
        doc_md=__doc__,
        schedule=[predictions(name)] if schedule == "after_score" else schedule,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=6),
        on_failure_callback=overdue_callbacks(pipeline),
        params=FORM,
        tags=["monitor", name],
        default_args=task_defaults(pipeline, MONITOR, **retried(others=2)),
    ) as dag:
        plan = PlanMonitoringOperator(task_id=task_ids.PLAN_MONITORING, pipeline=name, do_xcom_push=False)
        measure = MeasureDriftOperator(
            task_id=task_ids.MEASURE_DRIFT, pipeline=name, on_success_callback=drift_notifiers(pipeline)
        )
        plan >> measure
        if pipeline.schedule.retrain == "when_needed":
            measure >> AskRetrainingOperator(
                task_id=task_ids.ASK_RETRAINING, pipeline=name, measured=measure.task_id, outlets=[retrain_wanted(name)]
            )
    return dag


for dag in for_each_pipeline("monitor", monitor_dag):
    globals()[dag.dag_id] = dag
