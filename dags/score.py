"""Score: predict the next day's rows with the champion, and publish them as a day of the predictions table.

A run predicts every row whose prediction time lies in the day, up to midnight UTC, whether its label is known or not.
The first task pins the day, the table versions and the model version, so a cleared task repeats the same predictions;
start a new run to use newer data or a new champion. Publishing replaces a whole day and updates the asset of the
pipeline's predictions, on which other DAGs can be scheduled.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG

from dags.pipelines import (
    LAST_INGESTED_DAY,
    SCORE,
    as_of_param,
    for_each_pipeline,
    predictions,
    raw_tables,
    task_defaults,
)
from include.config import task_ids
from plugins.notifications import overdue_callbacks
from plugins.operators.plan_scoring import PlanScoringOperator
from plugins.operators.score_rows import ScoreRowsOperator
from plugins.retries import retried

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

FORM = {"as_of": as_of_param(f"{LAST_INGESTED_DAY}. The rows of that day and of the midnight after it are predicted")}


def score_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that publishes the predictions of a pipeline's champion."""
    schedule = pipeline.schedule.score
    with DAG(
        dag_id=f"{name}.score",
        description=f"Predict the next day's rows of {name} with its champion",
        doc_md=__doc__,
        schedule=[raw_tables(name)] if schedule == "after_ingest" else schedule,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=6),
        on_failure_callback=overdue_callbacks(pipeline),
        params=FORM,
        tags=["score", name],
        default_args=task_defaults(pipeline, SCORE, **retried(others=2)),
    ) as dag:
        plan = PlanScoringOperator(task_id=task_ids.PLAN_SCORING, pipeline=name, do_xcom_push=False)
        plan >> ScoreRowsOperator(task_id=task_ids.SCORE_ROWS, pipeline=name, outlets=[predictions(name)])
    return dag


for dag in for_each_pipeline("score", score_dag):
    globals()[dag.dag_id] = dag
