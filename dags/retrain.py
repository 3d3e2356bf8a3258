"""Retrain: tune, train and evaluate a challenger, and promote it only when it has earned it.

The first task pins the table versions to read, the champion to compare with and the tuning budget. Every later task
follows that plan, so a cleared task repeats the run on the same data; start a new run to use newer data. The last task
logs the verdict as a table.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param, chain

from dags.pipelines import (
    FINISH,
    as_of_param,
    for_each_pipeline,
    raw_tables,
    retrain_wanted,
    task_defaults,
    training_task,
    whole_number_param,
)
from include.config import task_ids
from plugins.notifications import approval_notifiers, overdue_callbacks, verdict_notifiers
from plugins.operators.plan_run import PlanRunOperator
from plugins.operators.request_approval import RequestApprovalOperator
from plugins.operators.retraining_step import DOCUMENTATION, RetrainingStepOperator, TuneCandidatesOperator

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def form(pipeline: Pipeline) -> dict[str, Param]:
    """Return the form of a retraining run."""
    return {
        "as_of": as_of_param(),
        "tuning_seconds": whole_number_param(
            default=pipeline.training.tuning.seconds,
            title="Tuning seconds",
            description="Time budget of the search in seconds, shared by all candidates; at least 1.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Stop after the verdict and register nothing in MLflow.",
        ),
    }


def retrain_dag(name: str, pipeline: Pipeline) -> DAG:
    """Return the DAG that retrains a pipeline's model."""
    training, schedule, approval = pipeline.training, pipeline.schedule.retrain, pipeline.needs_approval
    assets = {"after_ingest": [raw_tables(name)], "when_needed": [retrain_wanted(name)]}
    # a run that hangs must not block the next nightly run; a run that waits for an answer may
    longest = timedelta(hours=12 + (approval.hours if approval else 0))
    with DAG(
        dag_id=f"{name}.retrain",
        description=pipeline.description,
        doc_md=__doc__,
        schedule=assets.get(schedule or "", schedule),
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        params=form(pipeline),
        tags=["retrain", name],
        dagrun_timeout=longest,
        on_failure_callback=overdue_callbacks(pipeline),
        default_args=task_defaults(
            pipeline,
            FINISH,
            do_xcom_push=False,  # steps exchange data through the run's folder; each XCom value costs some 35 ms
        ),
    ) as dag:
        trains = training_task()
        tune = TuneCandidatesOperator.partial(
            task_id=task_ids.TUNE_CANDIDATES,
            pipeline=name,
            doc_md=DOCUMENTATION["tune"],
            map_index_template="{{ 'worker %s' % task.worker }}",
            **trains,
        ).expand(worker=list(range(training.tuning.parallel)))
        select = []
        if pipeline.features.selects:
            select = [RetrainingStepOperator(task_id=task_ids.SELECT_FEATURES, step="select", pipeline=name, **trains)]
        asks = []
        if approval:
            asks = [
                RequestApprovalOperator(
                    task_id=task_ids.REQUEST_APPROVAL,
                    pipeline=name,
                    approval=approval,
                    params=RequestApprovalOperator.FORM,
                    notifiers=approval_notifiers(pipeline),
                ),
                RetrainingStepOperator(task_id=task_ids.PROMOTE_MODEL, step="register", pipeline=name),
            ]
        chain(
            PlanRunOperator(task_id=task_ids.PLAN_RUN, pipeline=name),
            RetrainingStepOperator(task_id=task_ids.BUILD_FEATURES, step="build", pipeline=name, **trains),
            RetrainingStepOperator(task_id=task_ids.VALIDATE_FEATURES, step="validate", pipeline=name),
            RetrainingStepOperator(task_id=task_ids.PROVE_FEATURES, step="prove", pipeline=name, **trains),
            *select,
            tune,
            RetrainingStepOperator(task_id=task_ids.TRAIN_CHALLENGER, step="train", pipeline=name, **trains),
            RetrainingStepOperator(task_id=task_ids.EVALUATE_CHALLENGER, step="evaluate", pipeline=name, **trains),
            RetrainingStepOperator(task_id=task_ids.APPLY_GATE, step="judge", pipeline=name),
            RetrainingStepOperator(task_id=task_ids.REGISTER_MODEL, step="register", pipeline=name),
            *asks,
            RetrainingStepOperator(
                task_id=task_ids.SUMMARIZE_RUN,
                step="summarize",
                pipeline=name,
                do_xcom_push=True,
                on_success_callback=verdict_notifiers(pipeline),
            ),
        )
    return dag


for dag in for_each_pipeline("retrain", retrain_dag):
    globals()[dag.dag_id] = dag
