"""What Airflow's database says about the DAGs of our pages: next run, last run, open approvals."""

from dataclasses import dataclass
from datetime import datetime

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from include.reports.model_row import FailedRun, OpenApproval

#: States of a task that waits for an answer.
WAITING = (TaskInstanceState.AWAITING_INPUT, TaskInstanceState.DEFERRED)


@dataclass(frozen=True)
class DagState:
    """A DAG as the scheduler sees it; `failed` is its last run, if that has failed."""

    paused: bool
    next_run: datetime | None
    failed: FailedRun | None = None
    approvals: tuple[OpenApproval, ...] = ()


def read_dag_states(session: Session, dag_ids: set[str]) -> dict[str, DagState]:
    """Return the states of those DAGs that Airflow knows, by their id."""
    approvals = _read_approvals(session, dag_ids)
    newest = select(func.max(DagRun.id)).where(DagRun.dag_id == DagModel.dag_id).correlate(DagModel).scalar_subquery()
    rows = session.execute(
        select(
            DagModel.dag_id,
            DagModel.is_paused,
            DagModel.next_dagrun_create_after,
            DagRun.run_id,
            DagRun.state,
            DagRun.run_after,
        )
        .outerjoin(DagRun, DagRun.id == newest)
        .where(DagModel.dag_id.in_(dag_ids), ~DagModel.is_stale)
    )
    return {
        row.dag_id: DagState(
            paused=row.is_paused,
            next_run=row.next_dagrun_create_after,
            failed=_failed_run(row.dag_id, row.run_id, row.run_after) if row.state == DagRunState.FAILED else None,
            approvals=tuple(approvals.get(row.dag_id, ())),
        )
        for row in rows
    }


def _failed_run(dag_id: str, run_id: str, at: datetime) -> FailedRun:
    return FailedRun(dag_id.rpartition(".")[2], at, _path(dag_id, run_id))


def _read_approvals(session: Session, dag_ids: set[str]) -> dict[str, list[OpenApproval]]:
    rows = session.execute(
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, HITLDetail.subject)
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(HITLDetail.responded_at.is_(None), TaskInstance.state.in_(WAITING), TaskInstance.dag_id.in_(dag_ids))
        .order_by(HITLDetail.created_at)
    )
    found: dict[str, list[OpenApproval]] = {}
    for row in rows:
        path = f"{_path(row.dag_id, row.run_id)}/tasks/{row.task_id}/required_actions"
        found.setdefault(row.dag_id, []).append(OpenApproval(row.subject, path))
    return found


def _path(dag_id: str, run_id: str) -> str:
    from urllib.parse import quote

    return f"dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
