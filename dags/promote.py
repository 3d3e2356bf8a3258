"""Promote by hand: make a version champion that the gate has not promoted, once somebody else agrees.

Trigger it with the version and a reason. Another user than the one who triggered it then approves or rejects under
Required Actions; no answer in time is a rejection. The version's files are verified and it is loaded before
anything changes, and the record keeps who asked, who approved and why. A hold stays in force.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param

from dags.pipelines import ANSWER, for_each_pipeline, task_defaults
from include.config import task_ids
from plugins.notifications import approval_notifiers, overdue_callbacks
from plugins.operators.promote_version import AskAnotherOperator, PromoteVersionOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

HOURS = 12


def form() -> dict[str, Param]:
    """Return the form of a promotion."""
    return {
        "version": Param(type="integer", minimum=1, title="Version", description="The version to promote."),
        "reason": Param(type="string", minLength=1, title="Reason", description="Kept in the record."),
    }


def promote_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that promotes a version by hand."""
    with DAG(
        dag_id=f"{name}.promote",
        description=f"Make a version of {name} champion, with the approval of another",
        doc_md=__doc__,
        schedule=None,
        is_paused_upon_creation=False,  # it runs only when somebody asks, and then at once
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        params=form(),
        tags=["champion", name],
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=HOURS + 1),
        on_failure_callback=overdue_callbacks(pipeline),
        default_args=task_defaults(pipeline, ANSWER),
    ) as dag:
        ask = AskAnotherOperator(
            task_id=task_ids.ASK_ANOTHER,
            subject=f"{name}: may version {{{{ params.version }}}} become the champion?",
            body="{{ dag_run.triggering_user_name }} asks to promote version {{ params.version }}, whatever the gate "
            "said of it: {{ params.reason }}\n\nWhoever asked cannot approve.",
            defaults=AskAnotherOperator.REJECT,
            response_timeout=timedelta(hours=HOURS),
            notifiers=approval_notifiers(pipeline),
        )
        ask >> PromoteVersionOperator(task_id=task_ids.PROMOTE_VERSION, pipeline=name, approval=task_ids.ASK_ANOTHER)
    return dag


for dag in for_each_pipeline("promote", promote_dag):
    globals()[dag.dag_id] = dag
