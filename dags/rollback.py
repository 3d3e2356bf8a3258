"""Roll back: make an earlier version the champion again, and hold automatic promotion.

Trigger this DAG with a reason. Without a version it restores the previous champion. The task verifies the version's
files and loads the model before it changes the champion. Afterwards no run promotes a version until somebody releases
the hold, with another run of this DAG or `./nightshift release <pipeline>`. Retraining continues and registers
challengers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param

from dags.pipelines import ANSWER, for_each_pipeline, task_defaults, whole_number_param
from include.config import task_ids
from plugins.notifications import overdue_callbacks
from plugins.operators.change_champion import ChangeChampionOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def form() -> dict[str, Param]:
    """Return the form of a decision."""
    return {
        "decision": Param(
            "rollback",
            type="string",
            enum=["rollback", "hold", "release"],
            title="Decision",
            description="rollback: restore a champion and hold. hold: stop promotions. release: allow them again.",
        ),
        "version": whole_number_param(
            optional=True,
            title="Version",
            description="Only for rollback: the version to restore. Empty: the previous champion.",
        ),
        "reason": Param("", type="string", title="Reason", description="Why; kept in the decision record."),
    }


def rollback_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that rolls a pipeline's champion back."""
    with DAG(
        dag_id=f"{name}.rollback",
        description=f"Roll the champion of {name} back, or hold and release promotions",
        doc_md=__doc__,
        schedule=None,
        is_paused_upon_creation=False,  # it has no schedule; a run that somebody triggers must start at once
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        params=form(),
        tags=["champion", name],
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=1),
        on_failure_callback=overdue_callbacks(pipeline),
        default_args=task_defaults(pipeline, ANSWER),
    ) as dag:
        ChangeChampionOperator(task_id=task_ids.CHANGE_CHAMPION, pipeline=name)
    return dag


for dag in for_each_pipeline("rollback", rollback_dag):
    globals()[dag.dag_id] = dag
