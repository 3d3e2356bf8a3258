"""Tell people what became of a run: from `notify` in pipeline.yaml to Airflow's notifiers.

A notification that cannot be sent is a warning in the task's log and nothing else: Airflow has decided about the
task before it runs these callbacks, and an operator that calls a notifier itself gets no error from it.
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
    """Return what to call when a task has failed its last try; nothing where nobody asked for it."""
    return [FailureNotifier(pipeline.name, address) for address in _told_of("failure", pipeline)]


def outage_callbacks(pipeline: Pipeline) -> list[BaseNotifier]:
    """Return what to call when a task is tried again; only the first wait for a service is reported."""
    return [OutageNotifier(pipeline.name, address) for address in _told_of("outage", pipeline)]


def overdue_callbacks(pipeline: Pipeline) -> list[BaseNotifier] | None:
    """Return what to call when a run fails as a whole; None where nobody asked for it.

    An empty list will not do: Airflow would send each failed run to its DAG processor, for nothing.
    """
    return [OverdueNotifier(pipeline.name, address) for address in _told_of("failure", pipeline)] or None


def verdict_notifiers(pipeline: Pipeline) -> list[BaseNotifier]:
    """Return what to call when the summary of a run has succeeded."""
    return [VerdictNotifier(pipeline.name, address) for address in _told_of("verdict", pipeline)]


def drift_notifiers(pipeline: Pipeline) -> list[BaseNotifier]:
    """Return what to call when the monitor has measured."""
    return [DriftNotifier(pipeline.name, address) for address in _told_of("drift", pipeline)]


def approval_notifiers(pipeline: Pipeline) -> list[BaseNotifier]:
    """Return the notifiers of an operator that waits for an answer."""
    return [ApprovalNotifier(pipeline.name, address) for address in _told_of("approval", pipeline)]


def _told_of(event: Event, pipeline: Pipeline) -> list[Notify]:
    return [address for address in pipeline.notify if event in address.events]


class PipelineNotifier(BaseNotifier):
    """Tells one address of one kind of event.

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
        """Send the message; what keeps it from being sent is logged."""
        try:
            message = self.message(context)
            if message is not None:
                send(self.address, message, context)
        except Exception as error:  # noqa: BLE001  whatever it is, the run is as good
            whom = (self.pipeline, self.address.to, self.address.connection)
            log.warning("%s: %s (connection '%s') was not told: %s: %s", *whom, type(error).__name__, error)
        else:
            if message is not None:
                log.info("%s: told %s (connection '%s')", self.pipeline, self.address.to, self.address.connection)

    @abstractmethod
    def message(self, context: Context) -> Message | None:
        """Return what is to be told; None for nothing."""


class FailureNotifier(PipelineNotifier):
    """Tells that a task has failed its last try.

    Airflow calls it in the worker, with the task's exception. Where the process was killed or its machine went away,
    the DAG processor calls it instead, and there is no exception to tell of.
    """

    def message(self, context: Context) -> Message:
        """Return the task and its error, without what Airflow knows to be secret."""
        from include.reports.messages import Link, failure_message

        task, told = context["ti"], _error_text(context)
        return failure_message(
            self.pipeline, task.dag_id, task.task_id, task.run_id, task.try_number, told, [Link("Log", task.log_url)]
        )


class OutageNotifier(PipelineNotifier):
    """Reports that a task waits for a service that is away, once for all of its tries."""

    def message(self, context: Context) -> Message | None:
        """Return what is away; None for another error, and for any try but the first."""
        from include.reports.messages import Link, outage_message
        from plugins.retries import ServiceAway, is_first_attempt

        task = context["ti"]
        if not isinstance(context.get("exception"), ServiceAway) or not is_first_attempt(task):
            return None
        return outage_message(
            self.pipeline, task.dag_id, task.task_id, task.run_id, _error_text(context), [Link("Log", task.log_url)]
        )


class OverdueNotifier(PipelineNotifier):
    """Tells that a run was ended by the scheduler; Airflow calls it in the DAG processor, where its log is too."""

    def message(self, context: Context) -> Message | None:
        """Return why; None where a task failed, since that was told already."""
        from include.reports.messages import Link, overdue_message

        reason: str = context.get("reason") or ""  # type: ignore[assignment]
        if reason == "task_failure":
            return None
        dag, run = context["dag"].dag_id, context["run_id"]
        return overdue_message(self.pipeline, dag, run, reason, [Link("Run", _run_page(dag, run))])


class VerdictNotifier(PipelineNotifier):
    """Tells what a retraining came to, from what its last task returned and the run's folder holds."""

    def message(self, context: Context) -> Message:
        """Return the reason, the version and the metrics."""
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
    """Tells of the monitor's alerts, from what its last task returned."""

    def message(self, context: Context) -> Message | None:
        """Return the alerts; None where there are none."""
        from include.reports.messages import Link, drift_message

        task = context["ti"]
        found: dict[str, Any] = task.xcom_pull(task_ids=task.task_id)
        if not found["alerts"]:
            return None
        return drift_message(self.pipeline, found, [Link("Log", task.log_url)])


class ApprovalNotifier(PipelineNotifier):
    """Tells that a task waits for somebody's answer; the operator calls it once it has asked."""

    def message(self, context: Context) -> Message:
        """Return what is asked, what is shown with it, and where to answer."""
        from include.reports.messages import Link, approval_message

        task = context["ti"]
        asked = context["task"].hitl_summary  # type: ignore[attr-defined]
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
    """Return the text of the task's error without what Airflow knows to be secret; None where it left none."""
    from airflow.sdk.exceptions import AirflowException
    from airflow.sdk.log import redact

    error = context.get("exception")
    if error is None:
        return None
    # those of Airflow and ours begin with their own name
    return str(redact(str(error) if isinstance(error, AirflowException) else f"{type(error).__name__}: {error}"))


def _run_page(dag: str, run: str) -> str:
    """Return the address of a run in Airflow's UI."""
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    return f"{base.rstrip('/')}/dags/{quote(dag)}/runs/{quote(run)}"
