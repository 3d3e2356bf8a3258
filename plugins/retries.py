"""When a task is tried again: patiently while a service is away, and soon given up where waiting cannot help."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowException

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

#: Pauses of a task that costs little: 32 minutes in all, the first of them short, since most outages are.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 10, 15))

#: Pauses of a task that trains: as long in all, and few, since a process that was killed is tried again as often.
TRAINING_WAITS = tuple(timedelta(minutes=minutes) for minutes in (2, 10, 20))


class ServiceAway(AirflowException):
    """A service that the task needs (MLflow, the lake's store, a database) does not answer."""


class WaitForService(RetryPolicy):
    """Try a task again for at least half an hour while a service is away, and less often after any other error.

    Parameters
    ----------
    waits
        Pauses between two tries while a service is away; as many as the task's `retries`.
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
        """Return whether and when the task is tried again."""
        attempt = _attempt(try_number, max_tries, len(self.waits))
        if isinstance(exception, ServiceAway):
            wait = self.waits[min(attempt, len(self.waits)) - 1]
            minutes = wait // timedelta(minutes=1)
            return RetryDecision.retry(wait, f"a service is away; the next try, if one is left, is in {minutes} min")
        if attempt > self.others:
            return RetryDecision.fail("the error is not of a service that is away, so the task is not tried again")
        return RetryDecision.default()


def retried(waits: tuple[timedelta, ...] = WAITS, *, others: int = 1) -> dict[str, Any]:
    """Return a task's arguments that say when it is tried again, see `WaitForService`."""
    return {
        "retries": len(waits),
        "retry_delay": timedelta(minutes=2),
        "retry_policy": WaitForService(waits, others),
    }


def is_first_attempt(task: RuntimeTaskInstanceProtocol) -> bool:
    """Return whether a task was tried for the first time since its run began or it was cleared."""
    return _attempt(task.try_number, task.max_tries, task.task.retries or 0) == 1


def _attempt(try_number: int, max_tries: int, retries: int) -> int:
    """Return which try it is since the run began or the task was cleared, which raises both numbers; from 1."""
    return try_number - (max_tries - retries)
