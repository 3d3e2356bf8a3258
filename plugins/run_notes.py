"""The Airflow plugin that makes the outcome of a run its note: a task leaves it by `note_run`."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

#: Maximum characters of a note in Airflow's database.
MAX_NOTE = 1000


class RunNoteListener:
    """Writes the note when a run ends; the scheduler calls it, because tasks have no access to the database."""

    @hookimpl
    def on_dag_run_success(self, dag_run: DagRun) -> None:
        """Write the note of a run that succeeded."""
        write_note(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: DagRun) -> None:
        """Write the note of a run that failed after one of its tasks had left an outcome."""
        write_note(dag_run)


def write_note(dag_run: DagRun) -> None:
    """Make the newest outcome that a task of the run has left its note, but never replace the note of a person."""
    from airflow.models.dagrun import DagRunNote
    from airflow.utils.session import create_session
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    # the scheduler's own session, because a second one would wait for its lock on SQLite; dag.test() has left its own
    with nullcontext(session) if session else create_session() as session, session.no_autoflush:
        outcome = _newest_outcome(dag_run, session)
        written = session.get(DagRunNote, dag_run.id)
        if outcome is None or (written is not None and written.user_id is not None):
            return
        if written is None:
            written = DagRunNote(outcome)
            written.dag_run_id = dag_run.id
            session.add(written)
        written.content = outcome


def _newest_outcome(dag_run: DagRun, session: Session) -> str | None:
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    from plugins.operators.step import RUN_NOTE

    outcomes = (
        select(XComModel)
        .where(XComModel.dag_id == dag_run.dag_id, XComModel.run_id == dag_run.run_id, XComModel.key == RUN_NOTE)
        .order_by(XComModel.timestamp.desc())
        .limit(1)
    )
    newest = session.scalar(outcomes)
    return None if newest is None else str(XComModel.deserialize_value(newest))[:MAX_NOTE]


class RunNotesPlugin(AirflowPlugin):
    """Registers the listener."""

    name = "nightshift_run_notes"
    listeners: ClassVar[list[Any]] = [RunNoteListener()]
