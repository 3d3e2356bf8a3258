"""Ask a person whether a version that passed the gate may become the champion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Param

from plugins.operators.step import airflow_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from airflow.sdk.bases.notifier import BaseNotifier

    from include.config.gate import Approval

#: Field of the answer's form; the decision record keeps it.
REASON = "reason"


class RequestApprovalOperator(ApprovalOperator):
    """Wait for an answer if the gate's verdict is `promote`; otherwise ask nobody.

    A rejection does not skip the later tasks: the version stays registered, and the summary says who rejected it.

    Parameters
    ----------
    pipeline
        Name of the pipeline's folder.
    approval
        The section `approval` of its pipeline.yaml.
    notifiers
        Send one message when the question is asked.
    params
        The form of the answer, normally `FORM`.
    """

    FORM: ClassVar[dict[str, Param]] = {
        REASON: Param(
            "", type="string", title="Reason", description="Required for either answer; kept in the decision record."
        ),
    }

    def __init__(
        self, *, pipeline: str, approval: Approval, notifiers: Sequence[BaseNotifier] = (), **kwargs: Any
    ) -> None:
        super().__init__(
            subject=f"{pipeline}: may this version become the champion?",
            defaults=self.APPROVE if approval.unanswered == "promote" else self.REJECT,
            response_timeout=timedelta(hours=approval.hours),
            assigned_users=[{"id": name, "name": name} for name in approval.approvers] or None,
            notifiers=notifiers,
            **kwargs,
        )
        self.pipeline = pipeline

    def execute(self, context: Context) -> Any:
        """Ask with the gate's table and the two versions, or return if the verdict is not `promote`."""
        from include.config.loader import load_pipeline
        from include.workflows.retrain import steps
        from include.workflows.retrain.plan import RunPlan

        with airflow_errors():
            plan = RunPlan.load(self.pipeline, context["dag_run"].run_id)
            question = steps.approval_request(load_pipeline(self.pipeline), plan)
        if question is None:
            self.log.info("%s: nobody is asked, because the verdict is not promote", self.pipeline)
            return None
        self.subject, self.body = question.subject, question.body
        self.hitl_summary_extra["plain"] = question.plain  # for the notification
        self.log.info("%s Answer it on this task's page, under Required Action.", question.subject)
        for line in question.plain.splitlines():
            self.log.info("%s", line)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Store the answer, its author and the reason; no answer in time counts as the default answer."""
        from include.workflows.retrain import steps
        from include.workflows.retrain.plan import RunPlan

        # not the parent's method, which would skip the later tasks after a rejection
        answer = HITLOperator.execute_complete(self, context, event)
        person = answer["responded_by_user"]
        with airflow_errors():
            kept = steps.keep_answer(
                RunPlan.load(self.pipeline, context["dag_run"].run_id),
                approved=answer["chosen_options"] == [self.APPROVE],
                by=person["name"] if person else None,
                reason=answer["params_input"].get(REASON, ""),
                at=answer["responded_at"],
            )
        return kept.to_json()
