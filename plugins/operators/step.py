"""The base of the operators: a step of a pipeline that fails with one sentence in the task's log."""

from __future__ import annotations

import faulthandler
from abc import abstractmethod
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.log import mask_secret

from include.core.errors import NightshiftError
from include.core.json_document import to_json_types
from include.core.redaction import secrets_of_environment
from plugins.operators.failure_log import log_cause, without_frames
from plugins.retries import ServiceAway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from include.config.pipeline import Pipeline

#: The XCom key of a run's outcome in one line, which becomes the run's note; see plugins/run_notes.py.
RUN_NOTE = "nightshift_run_note"


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Fail the task with the sentence of a Nightshift error, at once where no retry can help.

    The error that caused it is logged above the sentence, with secrets hidden. It is not chained to the Airflow
    error: Airflow's UI would show it below the sentence. Where a signal ends the process there is no error, so the log
    gets the place in the code.
    """
    if not faulthandler.is_enabled():
        faulthandler.enable(file=2)  # Airflow copies stderr into the task's log
    for secret in secrets_of_environment():
        mask_secret(secret)  # Airflow only knows the secrets of its Connections
    try:
        yield
    except NightshiftError as error:
        log_cause(error)
        failure = _airflow_error(error)
        failure.__suppress_context__ = True
        raise without_frames(failure)  # noqa: B904  the cause is in the log already


def _airflow_error(error: NightshiftError) -> AirflowException:
    kind = AirflowFailException
    if error.retryable:
        kind = ServiceAway if error.service_away else AirflowException
    return kind(f"{type(error).__name__}: {error}")


def as_of(context: Context) -> date | None:
    """Return the day in the run's form, or None."""
    named = context["params"].get("as_of")
    return date.fromisoformat(named) if named else None


def note_run(context: Context, outcome: str) -> None:
    """Make one line the note of the run, which Airflow shows at the run and marks in the grid."""
    context["ti"].xcom_push(key=RUN_NOTE, value=outcome)


class PipelineStepOperator(BaseOperator):
    """Run one step of a pipeline.

    Parameters
    ----------
    pipeline
        Name of the pipeline's folder.
    """

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def execute(self, context: Context) -> Any:
        """Run the step and return its result as JSON types; an error that no retry can fix fails the task at once."""
        from include.config.loader import load_pipeline

        with airflow_errors():
            return to_json_types(self.run_step(load_pipeline(self.pipeline), context))

    @abstractmethod
    def run_step(self, pipeline: Pipeline, context: Context) -> Any:
        """Do the work, and return a small typed result; `execute` makes it JSON for XCom."""
