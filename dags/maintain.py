"""Maintain: the lake stays quick to read, and no larger than `keep_days` in pipeline.yaml asks for.

Each table's small files are merged, a day at a time; the files that no version of the last `keep_days` days
needs are removed, and a checkpoint is written. Then staged batches, validation pages and folders of runs of
that age go. A run may be repeated at will, and started while another DAG runs: a publication that it meets
stands, or is tried again. What each task removed is in its log, in numbers.
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
    """Return the DAG that maintains a pipeline's part of the lake."""
    cron = pipeline.schedule.maintain
    with DAG(
        dag_id=f"{name}.maintain",
        description=f"Merge small files of {name}'s tables and remove what is older than {pipeline.keep_days} days",
        doc_md=__doc__,
        schedule=CronTriggerTimetable(cron, timezone="UTC") if cron else None,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        max_active_tasks=1,  # one table after another, and one that is broken keeps no other from its turn
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
