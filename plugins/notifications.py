"""Notify people of the outcome of runs: from `notify` in pipeline.yaml to Airflow's notifiers.

A notification that cannot be sent is only a warning in the task's log: Airflow has decided the task's state before it
runs these callbacks, and a notifier raises no error in an operator that calls it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier

from plugins.message_delivery import log, send

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.notify import Event, Notify
    from include.config.pipeline import Pipeline
    from include.reports.messages import Message


def failure_callbacks(pipeline: Pipeline) -> list[BaseNotifier]:
    """Return the notifiers for a task that failed its last try."""
    return [FailureNotifier(pipeline.name, address) for address in _addresses("failure", pipeline)]


def outage_callbacks(pipeline: Pipeline) -> list[BaseNotifier]:
    """Return the notifiers for a task that is retried; they report only the first wait for a service."""
    return [OutageNotifier(pipeline.name, address) for address in _addresses("outage", pipeline)]


def overdue_callbacks(pipeline: Pipeline) -> list[BaseNotifier] | None:
    """Return the notifiers for a run that the scheduler ended, or None.

    None, because Airflow would send each failed run to its DAG processor for an empty list.
    """
    return [OverdueNotifier(pipeline.name, address) for address in _addresses("failure", pipeline)] or None


def verdict_notifiers(pipeline: Pipeline) -> list[BaseNotifier]:
    """Return the notifiers of a run's verdict."""
    return [VerdictNotifier(pipeline.name, address) for address in _addresses("verdict", pipeline)]


def drift_notifiers(pipeline: Pipeline) -> list[BaseNotifier]:
    """Return the notifiers of the monitor's alerts."""
    return [DriftNotifier(pipeline.name, address) for address in _addresses("drift", pipeline)]


def approval_notifiers(pipeline: Pipeline) -> list[BaseNotifier]:
    """Return the notifiers of a question that waits for an answer."""
    return [ApprovalNotifier(pipeline.name, address) for address in _addresses("approval", pipeline)]


def _addresses(event: Event, pipeline: Pipeline) -> list[Notify]:
    return [address for address in pipeline.notify if event in address.events]


class PipelineNotifier(BaseNotifier):
    """Notifies one address of one kind of event.

    Parameters
    ----------
    pipeline
        Name of the pipeline's folder.
    address
        An item of `notify` in its pipeline.yaml.
    """

    def __init__(self, pipeline: str, address: Notify) -> None:
        super().__init__()
        self.pipeline, self.address = pipeline, address

    def notify(self, context: Context) -> None:
        """Send the message, and log a delivery that fails."""
        try:
            message = self.message(context)
            if message is not None:
                send(self.address, message, context)
        except Exception as error:  # noqa: BLE001  no error here may fail the task
            whom = (self.pipeline, self.address.to, self.address.connection)
            log.warning("%s: %s (connection '%s') was not notified: %s: %s", *whom, type(error).__name__, error)
        else:
            if message is not None:
                log.info("%s: notified %s (connection '%s')", self.pipeline, self.address.to, self.address.connection)

    @abstractmethod
    def message(self, context: Context) -> Message | None:
        """Return the message, or None to send nothing."""


class FailureNotifier(PipelineNotifier):
    """Reports that a task failed its last try.

    Airflow calls it in the worker with the task's exception. If the process was killed or its machine was lost, the DAG
    processor calls it without an exception.
    """

    def message(self, context: Context) -> Message:
        """Return the task and its error, without the secrets that Airflow knows."""
        from include.reports.messages import Link, failure_message

        task, error = context["ti"], _error_text(context)
        return failure_message(
            self.pipeline, task.dag_id, task.task_id, task.run_id, task.try_number, error, [Link("Log", task.log_url)]
        )


class OutageNotifier(PipelineNotifier):
    """Reports that a task waits for an unavailable service, once for all tries."""

    def message(self, context: Context) -> Message | None:
        """Return the unavailable service; None for other errors and for later tries."""
        from include.reports.messages import Link, outage_message
        from plugins.retries import ServiceAway, is_first_attempt

        task = context["ti"]
        if not isinstance(context.get("exception"), ServiceAway) or not is_first_attempt(task):
            return None
        return outage_message(
            self.pipeline, task.dag_id, task.task_id, task.run_id, _error_text(context), [Link("Log", task.log_url)]
        )


class OverdueNotifier(PipelineNotifier):
    """Reports a run that the scheduler ended; Airflow calls it in the DAG processor, whose log has its lines."""

    def message(self, context: Context) -> Message | None:
        """Return the reason; None if a task failed, because that was already reported."""
        from include.reports.messages import Link, overdue_message

        reason: str = context.get("reason") or ""
        if reason == "task_failure":
            return None
        dag, run = context["dag"].dag_id, context["run_id"]
        return overdue_message(self.pipeline, dag, run, reason, [Link("Run", _run_page(dag, run))])


class VerdictNotifier(PipelineNotifier):
    """Reports the verdict of a retraining, from its last task's result and the files of the run."""

    def message(self, context: Context) -> Message:
        """Return the verdict with its reason, the version and the metrics."""
        from include.registry.pages import version_page
        from include.reports.messages import Link, verdict_message
        from include.workflows.retrain import files
        from include.workflows.retrain.plan import RunPlan

        task = context["ti"]
        summary: dict[str, Any] = task.xcom_pull(task_ids=task.task_id)
        plan = RunPlan.load(self.pipeline, task.run_id)
        links = [Link("Run", _run_page(task.dag_id, task.run_id))]
        page = version_page(self.pipeline, summary["version"]) if summary["version"] else None
        if page:
            links.append(Link("Model", page))
        return verdict_message(self.pipeline, summary, files.evidence(plan), files.verdict(plan), links)


class DriftNotifier(PipelineNotifier):
    """Reports the monitor's alerts, from its last task's result."""

    def message(self, context: Context) -> Message | None:
        """Return the alerts, or None if there are none."""
        from include.reports.messages import Link, drift_message

        task = context["ti"]
        found: dict[str, Any] = task.xcom_pull(task_ids=task.task_id)
        if not found["alerts"]:
            return None
        return drift_message(self.pipeline, found, [Link("Log", task.log_url)])


class ApprovalNotifier(PipelineNotifier):
    """Reports that a task waits for an answer; the operator calls it after it asked."""

    def message(self, context: Context) -> Message:
        """Return the question, its evidence, and where to answer."""
        from include.reports.messages import Link, approval_message

        task = context["ti"]
        asked = context["task"].hitl_summary
        page = f"{_run_page(task.dag_id, task.run_id)}/tasks/{quote(task.task_id)}/required_actions"
        return approval_message(
            self.pipeline,
            asked["subject"],
            asked.get("plain") or asked["body"] or "",
            " and ".join(asked["defaults"] or []),
            asked["timeout_datetime"],
            [Link("Answer", page)],
        )


def _error_text(context: Context) -> str | None:
    """Return the text of the task's error without the secrets that Airflow knows, or None without an error."""
    from airflow.sdk.exceptions import AirflowException
    from airflow.sdk.log import redact

    error = context.get("exception")
    if error is None:
        return None
    # the texts of these errors begin with the name of their class
    return str(redact(str(error) if isinstance(error, AirflowException) else f"{type(error).__name__}: {error}"))


def _run_page(dag: str, run: str) -> str:
    """Return the address of a run in Airflow's UI."""
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    return f"{base.rstrip('/')}/dags/{quote(dag)}/runs/{quote(run)}"
