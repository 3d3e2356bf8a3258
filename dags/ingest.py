"""Ingest: extract, validate and publish every source of a pipeline, day by day.

A run covers the day of its schedule, or the days in its form: one run with a first and a last day can ingest a
year of history. Publishing replaces a whole day, so you can repeat a run at any time. Airflow's backfill covers any
range with one run a day. When all sources are published, the run updates the asset of the pipeline's raw tables,
which starts the retraining.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TaskGroup

from dags.pipelines import INGEST, for_each_pipeline, raw_tables, task_defaults
from include.config import task_ids
from plugins.notifications import overdue_callbacks
from plugins.operators.extract_source import ExtractSourceOperator
from plugins.operators.publish_batch import PublishBatchOperator
from plugins.operators.validate_batch import ValidateBatchOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

FORM = {
    "start": Param(
        None,
        type=["null", "string"],
        format="date",
        title="First day",
        description="First UTC day to ingest. Empty: the day of the schedule.",
    ),
    "end": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Last day",
        description="Last UTC day to ingest. Empty: yesterday, if a first day is given.",
    ),
}


def ingest_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that ingests a pipeline's sources."""
    cron = pipeline.schedule.ingest
    with DAG(
        dag_id=f"{name}.ingest",
        description=f"Ingest the sources of {name} into the lake",
        doc_md=__doc__,
        schedule=CronDataIntervalTimetable(cron, timezone="UTC") if cron else None,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        dagrun_timeout=timedelta(hours=12),
        on_failure_callback=overdue_callbacks(pipeline),
        params=FORM,
        tags=["ingest", name],
        # a late delivery may arrive within the next hour; errors that waiting cannot fix fail at once
        default_args=task_defaults(
            pipeline,
            INGEST,
            retries=4,
            retry_delay=timedelta(minutes=5),
            retry_exponential_backoff=True,
            retry_policy=None,
        ),
        render_template_as_native_obj=True,
    ) as dag:
        announce = EmptyOperator(task_id=task_ids.ANNOUNCE_TABLES, outlets=[raw_tables(name)])
        for source in pipeline.sources:
            with TaskGroup(group_id=source):
                extract = ExtractSourceOperator(task_id=task_ids.EXTRACT, pipeline=name, source=source)
                validate = ValidateBatchOperator(task_id=task_ids.VALIDATE, pipeline=name, batch=extract.output)
                publish = PublishBatchOperator(
                    task_id=task_ids.PUBLISH,
                    pipeline=name,
                    batch=validate.output,
                    max_active_tis_per_dag=1,  # parallel runs of a backfill write to the table in turn
                )
                publish >> announce
    return dag


for dag in for_each_pipeline("ingest", ingest_dag):
    globals()[dag.dag_id] = dag
