"""Make a version the champion that the gate did not promote, if a second user approves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import TaskAwaitingInput
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from include.core.errors import ConfigError
from plugins.operators.change_champion import asked_by
from plugins.operators.step import PipelineStepOperator, airflow_errors

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline

#: The shortest time for another answer, after one that was not taken.
LEAST_WAIT = timedelta(minutes=1)


class AskAnotherOperator(ApprovalOperator):
    """Wait for the answer of a user other than the one who started the run (four-eyes principle).

    Parameters
    ----------
    pipeline
        Name of the pipeline's folder.
    """

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def execute(self, context: Context) -> Any:
        """Ask, unless the version cannot become the champion or nobody could approve it."""
        from include.config.loader import load_pipeline
        from include.workflows.retrain import decisions

        with airflow_errors():
            loaded, asked = load_pipeline(self.pipeline), asked_by(context)
            self.assigned_users = _assigned(loaded, asked)
            decisions.check_promotable(loaded, context["params"]["version"])
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Ask again after an approval by the user who asked; a rejection skips the promotion."""
        person, asked = event.get("responded_by_user"), asked_by(context)
        approved = event.get("chosen_options") == [self.APPROVE]
        if approved and (person is None or asked in (person["name"], person["id"])):
            self._ask_again(context, person["name"] if person else "nobody", asked)
        return super().execute_complete(context, event)

    def _ask_again(self, context: Context, who: str, asked: str) -> None:
        """Discard the answer and wait for another one, until the time for the first one is over."""
        assert self.response_timeout is not None, "the question has a deadline"
        until = context["dag_run"].start_date + self.response_timeout
        self.log.warning(
            "The approval by %s was not taken: %s asked for this promotion, and another user must approve it. The "
            "question stays open until %s, under Required Actions.",
            who,
            asked,
            until.isoformat(timespec="seconds"),
        )
        # the same question again; Airflow deletes the answer that it has
        upsert_hitl_detail(
            ti_id=context["ti"].id,
            options=self.options,
            subject=self.subject,
            body=self.body,
            defaults=self.defaults,
            multiple=self.multiple,
            params=self.serialized_params,
            assigned_users=self.assigned_users,
        )
        raise TaskAwaitingInput(method_name="execute_complete", timeout=max(until - datetime.now(UTC), LEAST_WAIT))


def _assigned(pipeline: Pipeline, asked: str) -> list[Any] | None:
    """Return the users who may answer, without the one who asked; None for everyone with the permission.

    Airflow can name the users who may answer, and cannot exclude one.
    """
    approvers = pipeline.needs_approval.approvers if pipeline.needs_approval else []
    others = [name for name in approvers if name != asked]
    if approvers and not others:
        raise ConfigError(
            f"{pipeline.name}: {asked} asks for this promotion and is the only user in approval.approvers, so nobody "
            "else could approve it; add another user there, or let another user start the run"
        )
    return [{"id": name, "name": name} for name in others] or None


class PromoteVersionOperator(PipelineStepOperator):
    """Promote the version in the run's form.

    Parameters
    ----------
    approval
        Id of the task that asked for approval.
    """

    def __init__(self, *, approval: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval = approval

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, int | None]:
        """Return the champion before and after."""
        from include.workflows.retrain import decisions

        params = context["params"]
        answer = context["ti"].xcom_pull(task_ids=self.approval)
        change = decisions.promote(
            pipeline,
            params["version"],
            reason=params["reason"],
            by=asked_by(context),
            approver=answer["responded_by_user"]["name"],
        )
        for line in decisions.describe_change(change):
            self.log.info("%s", line)
        return {"before": change.before, "after": change.after}
