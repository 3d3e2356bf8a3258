"""The log of a failed task: the cause with the frames that matter, and the sentence as its last line."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import structlog
from airflow.sdk.log import redact

from include.core.redaction import cause_of, hide_secrets, redacted
from include.core.tracebacks import shorten_tracebacks

if TYPE_CHECKING:
    from airflow.sdk.exceptions import AirflowException
    from structlog.typing import ExceptionTransformer, ExcInfo

    from include.core.errors import NightshiftError

log = logging.getLogger(__name__)


def log_cause(error: NightshiftError) -> None:
    """Log the error that caused a Nightshift error, if there is one, without secrets and frames of libraries."""
    cause = cause_of(error)
    if cause is not None:
        # hidden here, too: Airflow masks a task's log, but not the copy of it that the LocalExecutor prints
        shown = redacted(cause, lambda text: str(redact(hide_secrets(text))))
        shorten_tracebacks(shown)
        log.error("The task fails because of the error below; what to do about it is in the last line.", exc_info=shown)


def without_frames(failure: AirflowException) -> AirflowException:
    """Return the error that fails this task, which Airflow will log by its text alone.

    Airflow's task runner logs it with nine frames, of the runner and of our `execute`, which are the same for every
    failure and stand below the sentence. An error cannot lose the frames of its callers, so the renderer of this
    process leaves them out. Where Airflow's logging has no such renderer, the frames stay.
    """
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, structlog.processors.ExceptionRenderer):
            processor.format_exception = _leave_out(processor.format_exception, failure)
    return failure


def _leave_out(render: ExceptionTransformer, failure: BaseException) -> ExceptionTransformer:
    def rendered(exc_info: ExcInfo) -> object:
        kind, error, traceback = exc_info
        return render((kind, error, None if error is failure else traceback))

    return rendered
