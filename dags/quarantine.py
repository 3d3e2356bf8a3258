"""Quarantine: release or discard rows that were not published because they break an expectation.

`./nightshift quarantine list <pipeline>` lists the quarantined rows with their reasons. In the form, fill in the fields
with a star: the first day of the rows and the reason of the decision; Airflow enables Trigger once both are there.
Release publishes rows although they break an expectation; discard drops them for good. The task then validates and
publishes their batch again. If the whole day was held back, clear its failed `validate` task in the ingest DAG
afterwards: the nightly run continues there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param

from dags.pipelines import ANSWER, for_each_pipeline, task_defaults
from include.config import task_ids
from plugins.notifications import overdue_callbacks
from plugins.operators.decide_quarantine import DecideQuarantineOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def form(pipeline: Pipeline) -> dict[str, Param]:
    """Return the form of a decision."""
    sources = list(pipeline.sources)
    return {
        "decision": Param(
            "release",
            type="string",
            enum=["release", "discard", "hold"],
            title="Decision",
            description="release: publish the rows as they are. discard: drop them. hold: undo an earlier decision.",
        ),
        "source": Param(sources[0], type="string", enum=sources, title="Source", description="Source of the rows."),
        "start": Param(
            type="string", format="date", title="First day", description="Required: the first UTC day of the rows."
        ),
        "end": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Last day",
            description="Last UTC day of the rows, included. Empty: the first day, so the decision is about one day.",
        ),
        "rows": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Rows",
            description="Row ids, one a line, as the list of quarantined rows has them. Empty: all rows of these days.",
        ),
        "note": Param(
            type="string",
            minLength=1,
            title="Why",
            description="Required: the reason of the decision; stored with the rows.",
        ),
    }


def quarantine_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that releases or discards a pipeline's quarantined rows."""
    with DAG(
        dag_id=f"{name}.quarantine",
        description=f"Release or discard quarantined rows of {name}",
        doc_md=__doc__,
        schedule=None,
        is_paused_upon_creation=False,  # it has no schedule; a run that somebody triggers must start at once
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        params=form(pipeline),
        tags=["quarantine", name],
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=2),
        on_failure_callback=overdue_callbacks(pipeline),
        default_args=task_defaults(pipeline, ANSWER),
    ) as dag:
        DecideQuarantineOperator(task_id=task_ids.DECIDE_QUARANTINE, pipeline=name)
    return dag


for dag in for_each_pipeline("quarantine", quarantine_dag):
    globals()[dag.dag_id] = dag
