"""When a task is retried: patiently while a service is unavailable, and only briefly after other errors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowException

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

#: Pauses between tries of a cheap task: 32 minutes in all; the first are short, since most outages are.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 10, 15))

#: Pauses between tries of a training task: the same time in fewer tries, because a killed process is retried as often.
TRAINING_WAITS = tuple(timedelta(minutes=minutes) for minutes in (2, 10, 20))


class ServiceAway(AirflowException):
    """A service that the task needs (MLflow, the lake's store, a database) does not answer."""


class WaitForService(RetryPolicy):
    """Retry a task for at least half an hour while a service is unavailable, and less often after other errors.

    Parameters
    ----------
    waits
        Pauses between two tries while a service is unavailable; as many as the task's `retries`.
    others
        Retries after any other error, each after the task's `retry_delay`.
    """

    def __init__(self, waits: tuple[timedelta, ...], others: int) -> None:
        self.waits, self.others = waits, others

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Return whether and when to retry the task."""
        attempt = _attempt(try_number, max_tries, len(self.waits))
        if isinstance(exception, ServiceAway):
            wait = self.waits[min(attempt, len(self.waits)) - 1]
            minutes = wait // timedelta(minutes=1)
            return RetryDecision.retry(
                wait, f"a service is unavailable; the next try, if one is left, starts in {minutes} min"
            )
        if attempt > self.others:
            return RetryDecision.fail("no service is unavailable, so a retry cannot help")
        return RetryDecision.default()


class RetryArguments(TypedDict):
    """The arguments of an operator that say when it is retried."""

    retries: int
    retry_delay: timedelta
    retry_policy: RetryPolicy


def retried(waits: tuple[timedelta, ...] = WAITS, *, others: int = 1) -> RetryArguments:
    """Return the retry arguments of a task, see `WaitForService`."""
    return RetryArguments(
        retries=len(waits), retry_delay=timedelta(minutes=2), retry_policy=WaitForService(waits, others)
    )


def is_first_attempt(task: RuntimeTaskInstanceProtocol) -> bool:
    """Return whether this is a task's first try since its run began or it was cleared."""
    return _attempt(task.try_number, task.max_tries, task.task.retries or 0) == 1


def _attempt(try_number: int, max_tries: int, retries: int) -> int:
    """Return the number of the try, from 1, since the run began or the task was cleared (which raises both numbers)."""
    return try_number - (max_tries - retries)
