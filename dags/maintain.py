"""Maintain: keep the lake fast to read, and no larger than `keep_days` in pipeline.yaml allows.

For each table, a task merges small files day by day, removes files that no version of the last `keep_days` days
needs, and writes a checkpoint. The last task removes staged batches, validation pages and run folders of that age. You
can repeat a run at any time, also while another DAG runs: a publication that conflicts with it wins or is retried.
Each task logs how much it removed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, CronTriggerTimetable, TaskGroup

from dags.pipelines import MAINTAIN, for_each_pipeline, task_defaults
from include.config import task_ids
from plugins.notifications import overdue_callbacks
from plugins.operators.maintain_files import MaintainFilesOperator
from plugins.operators.maintain_table import MaintainTableOperator
from plugins.retries import retried

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def maintain_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that maintains the lake tables of a pipeline."""
    cron = pipeline.schedule.maintain
    with DAG(
        dag_id=f"{name}.maintain",
        description=f"Merge small files of {name}'s tables and remove files older than {pipeline.keep_days} days",
        doc_md=__doc__,
        schedule=CronTriggerTimetable(cron, timezone="UTC") if cron else None,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        max_active_tasks=1,  # one table at a time; a broken table does not stop the others
        dagrun_timeout=timedelta(hours=12),
        on_failure_callback=overdue_callbacks(pipeline),
        tags=["maintain", name],
        default_args=task_defaults(
            pipeline,
            MAINTAIN,
            **retried(others=2),
            execution_timeout=timedelta(hours=3),
        ),
    ) as dag:
        for source in pipeline.sources:
            with TaskGroup(group_id=source):
                MaintainTableOperator(task_id=task_ids.MAINTAIN_RAW, pipeline=name, layer="raw", source=source)
                MaintainTableOperator(
                    task_id=task_ids.MAINTAIN_QUARANTINE, pipeline=name, layer="quarantine", source=source
                )
        MaintainTableOperator(task_id=task_ids.MAINTAIN_FEATURES, pipeline=name, layer="features")
        MaintainTableOperator(task_id=task_ids.MAINTAIN_PREDICTIONS, pipeline=name, layer="predictions")
        MaintainTableOperator(task_id=task_ids.MAINTAIN_MONITORING, pipeline=name, layer="monitoring")
        MaintainFilesOperator(task_id=task_ids.MAINTAIN_FILES, pipeline=name)
    return dag


for dag in for_each_pipeline("maintain", maintain_dag):
    globals()[dag.dag_id] = dag
