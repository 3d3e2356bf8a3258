"""Promote by hand: make a version the champion that the gate did not promote, if a second user approves.

Trigger this DAG with the version and a reason. The first task verifies the version's evidence and files, and loads the
model, before it asks. A user other than the one who triggered it then approves or rejects the promotion under Required
Actions: one of `approval.approvers` of pipeline.yaml, if it names any. No answer in time counts as a rejection, and
an approval by the user who asked is not taken: the question stays open. The files are verified again before the
champion changes. The record names who asked, who approved and why. A hold on
automatic promotion stays in force.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param

from dags.pipelines import ANSWER, for_each_pipeline, task_defaults, whole_number_param
from include.config import task_ids
from plugins.notifications import approval_notifiers, overdue_callbacks
from plugins.operators.promote_version import AskAnotherOperator, PromoteVersionOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

HOURS = 12


def form() -> dict[str, Param]:
    """Return the form of a promotion."""
    return {
        "version": whole_number_param(title="Version", description="Registered version to promote."),
        "reason": Param(type="string", minLength=1, title="Reason", description="Why; kept in the decision record."),
    }


def promote_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that promotes a version by hand."""
    with DAG(
        dag_id=f"{name}.promote",
        description=f"Make a version of {name} the champion, with the approval of a second user",
        doc_md=__doc__,
        schedule=None,
        is_paused_upon_creation=False,  # it has no schedule; a run that somebody triggers must start at once
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
            pipeline=name,
            subject=f"{name}: may version {{{{ params.version }}}} become the champion?",
            body="{{ dag_run.triggering_user_name }} asks to promote version {{ params.version }}, whatever the "
            "gate decided: {{ params.reason }}\n\nThe user who asked cannot approve.",
            defaults=AskAnotherOperator.REJECT,
            response_timeout=timedelta(hours=HOURS),
            notifiers=approval_notifiers(pipeline),
        )
        ask >> PromoteVersionOperator(task_id=task_ids.PROMOTE_VERSION, pipeline=name, approval=task_ids.ASK_ANOTHER)
    return dag


for dag in for_each_pipeline("promote", promote_dag):
    globals()[dag.dag_id] = dag
