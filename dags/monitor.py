"""Monitor: measure drift from the champion's training data, and how good its predictions were.

After a day's predictions are published, a run compares the features and predictions of the last days with the
champion's training data, and compares older predictions with their labels. `measure_drift` logs the results as a
table, worst first, and appends them to the table `monitoring`. An alert fails no task: `confirm_no_alerts` is green
without alerts and skipped (pink) with alerts, the run's note says which, and the addresses of `notify` in pipeline.yaml
receive a message. The first task pins the day, the table versions and the model version, so a cleared task
repeats the same measurement; start a new run to measure newer data. If schedule.retrain is when_needed, an alert that
retraining can fix starts the retraining.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param

from dags.pipelines import (
    LAST_INGESTED_DAY,
    MONITOR,
    as_of_param,
    for_each_pipeline,
    predictions,
    retrain_wanted,
    task_defaults,
)
from include.config import task_ids
from plugins.notifications import drift_notifiers, overdue_callbacks
from plugins.operators.ask_retraining import AskRetrainingOperator
from plugins.operators.confirm_no_alerts import ConfirmNoAlertsOperator
from plugins.operators.measure_drift import MeasureDriftOperator
from plugins.operators.plan_monitoring import PlanMonitoringOperator
from plugins.retries import retried

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def form(pipeline: Pipeline) -> dict[str, Param]:
    """Return the form of a run, which checks the days that end with one day."""
    empty = LAST_INGESTED_DAY
    if pipeline.schedule.monitor == "after_score":
        empty = f"the newest UTC day with predictions; before the first predictions, {LAST_INGESTED_DAY}"
    return {"as_of": as_of_param(empty)}


def monitor_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that monitors a pipeline's champion."""
    schedule = pipeline.schedule.monitor
    with DAG(
        dag_id=f"{name}.monitor",
        description=f"Measure the drift and the errors of {name}'s champion",
        doc_md=__doc__,
        schedule=[predictions(name)] if schedule == "after_score" else schedule,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=6),
        on_failure_callback=overdue_callbacks(pipeline),
        params=form(pipeline),
        tags=["monitor", name],
        default_args=task_defaults(pipeline, MONITOR, **retried(others=2)),
    ) as dag:
        plan = PlanMonitoringOperator(task_id=task_ids.PLAN_MONITORING, pipeline=name, do_xcom_push=False)
        measure = MeasureDriftOperator(
            task_id=task_ids.MEASURE_DRIFT, pipeline=name, on_success_callback=drift_notifiers(pipeline)
        )
        plan >> measure
        measure >> ConfirmNoAlertsOperator(
            task_id=task_ids.CONFIRM_NO_ALERTS, pipeline=name, measured=measure.task_id, do_xcom_push=False
        )
        if pipeline.schedule.retrain == "when_needed":
            measure >> AskRetrainingOperator(
                task_id=task_ids.ASK_RETRAINING, pipeline=name, measured=measure.task_id, outlets=[retrain_wanted(name)]
            )
    return dag


for dag in for_each_pipeline("monitor", monitor_dag):
    globals()[dag.dag_id] = dag
