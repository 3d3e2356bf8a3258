"""Ingest: extract, validate and publish every source of a pipeline, day by day.

A run covers the day of its schedule, or the days in its form: one run with a first and a last day can ingest a
year of history. Publishing replaces a whole day, so you can repeat a run at any time. Airflow's backfill covers any
range with one run a day. When all sources are published, `announce_tables` updates the asset of the pipeline's raw
tables. This starts every DAG that is scheduled on it, by default scoring and retraining, whatever days were ingested: a
day of last year as well as yesterday. To correct an old day only, switch this off in the form; `announce_tables` is
then skipped.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TaskGroup

from dags.pipelines import INGEST, for_each_pipeline, raw_tables, task_defaults
from include.config import task_ids
from plugins.notifications import overdue_callbacks
from plugins.operators.announce_tables import AnnounceTablesOperator
from plugins.operators.extract_source import ExtractSourceOperator
from plugins.operators.publish_batch import PublishBatchOperator
from plugins.operators.validate_batch import ValidateBatchOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def form(pipeline: Pipeline) -> dict[str, Param]:
    """Return the form of a run."""
    cron = pipeline.schedule.ingest
    usual = "yesterday (UTC)"
    if cron:
        usual = f"as the latest scheduled run ({cron}, UTC), for a daily schedule the day before it"
    return {
        "start": Param(
            None,
            type=["null", "string"],
            format="date",
            title="First day",
            description=f"First UTC day to ingest. Empty: the last day. Both empty: {usual}.",
        ),
        "end": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Last day",
            description=f"Last UTC day to ingest, included. Empty: yesterday (UTC). Both empty: {usual}.",
        ),
        "announce": Param(
            True,
            type="boolean",
            title="Start what follows",
            description=f"{_what_follows(pipeline)} Off: the run publishes its days and starts nothing.",
        ),
    }


def _what_follows(pipeline: Pipeline) -> str:
    """Say what a run starts when all sources are published."""
    schedules = {"scoring": pipeline.schedule.score, "retraining": pipeline.schedule.retrain}
    starts = [name for name, schedule in schedules.items() if schedule == "after_ingest"]
    if not starts:
        return "On: DAGs of your own that are scheduled on the raw tables start; no DAG of this pipeline is."
    started = " and ".join(starts)
    return f"On: {started} start{'s' * (len(starts) == 1)} afterwards, even if the days are old."


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
        params=form(pipeline),
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
        announce = AnnounceTablesOperator(task_id=task_ids.ANNOUNCE_TABLES, outlets=[raw_tables(name)])
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
