"""Ingest: every source of a pipeline is extracted, validated and published, day by day.

Each run covers the day that its schedule stands for, or the days that its form names: a year of history
is one run with a first and a last day. A day is replaced as a whole, so a run may be repeated at will;
Airflow's backfill does any range, a run a day. When all sources are published, the asset of the
pipeline's raw tables is updated, which starts the retraining.
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
        description="Last UTC day to ingest. Empty: yesterday, where a first day is given.",
    ),
}


def ingest_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that ingests a pipeline's sources."""
    cron = pipeline.schedule.ingest
    with DAG(
        dag_id=f"{name}.ingest",
        description=f"Bring the sources of {name} into the lake",
        doc_md=__doc__,
        schedule=CronDataIntervalTimetable(cron, timezone="UTC") if cron else None,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        dagrun_timeout=timedelta(hours=12),
        on_failure_callback=overdue_callbacks(pipeline),
        params=FORM,
        tags=["ingest", name],
        # what a source has not delivered yet may come within the next hour; what waiting cannot mend does not wait
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
                    max_active_tis_per_dag=1,  # runs of a backfill write to the same table one after another
                )
                publish >> announce
    return dag


for dag in for_each_pipeline("ingest", ingest_dag):
    globals()[dag.dag_id] = dag
