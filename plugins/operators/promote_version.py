"""Make a version the champion that the gate did not promote, if a second user approves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException

from plugins.operators.change_champion import asked_by
from plugins.operators.failure_log import without_frames
from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline


class AskAnotherOperator(ApprovalOperator):
    """Wait for the answer of a user other than the one who started the run (four-eyes principle)."""

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Refuse an approval by the user who asked; a rejection skips the promotion."""
        person, asked = event.get("responded_by_user"), asked_by(context)
        approved = event.get("chosen_options") == [self.APPROVE]
        if approved and (person is None or asked in (person["name"], person["id"])):
            who = person["name"] if person else "nobody"
            sentence = (
                f"{who} approved a promotion that {asked} asked for, and another user must approve it; start a new "
                "run, and let another user answer"
            )
            raise without_frames(AirflowFailException(sentence))
        return super().execute_complete(context, event)


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

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
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
