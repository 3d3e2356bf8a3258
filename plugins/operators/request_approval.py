"""Ask somebody whether a version that has earned it may become the champion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Param

from plugins.operators.step import told_to_airflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from airflow.sdk.bases.notifier import BaseNotifier

    from include.config.pipeline import Approval

#: Written in the answer's form, and kept in the record.
REASON = "reason"


class RequestApprovalOperator(ApprovalOperator):
    """Wait for an answer where the gate's verdict is `promote`; in every other case there is nothing to ask.

    A rejection does not skip what follows: the version stays registered, and the summary says who rejected it.

    Parameters
    ----------
    pipeline
        Name of the pipeline's folder.
    approval
        Its section of pipeline.yaml.
    notifiers
        Told once that an answer is waited for.
    params
        The form of the answer; `FORM` is meant.
    """

    FORM: ClassVar[dict[str, Param]] = {
        REASON: Param("", type="string", title="Reason", description="Needed for either answer; kept in the record."),
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
        """Ask, with the gate's table and what the champion would be replaced by; or return, where nothing is asked."""
        from include.config.loader import load_pipeline
        from include.workflows.retrain import steps
        from include.workflows.retrain.plan import RunPlan

        with told_to_airflow():
            plan = RunPlan.load(self.pipeline, context["dag_run"].run_id)
            question = steps.approval_request(load_pipeline(self.pipeline), plan)
        if question is None:
            self.log.info("%s: the verdict promotes nothing, so nobody is asked", self.pipeline)
            return None
        self.subject, self.body = question.subject, question.body
        self.hitl_summary_extra["plain"] = question.plain  # for the message
        self.log.info("%s Answer it on this task's page, under Required Action.", question.subject)
        for line in question.plain.splitlines():
            self.log.info("%s", line)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Keep the answer, who gave it and why; no answer in time is one as well."""
        from include.workflows.retrain import steps
        from include.workflows.retrain.plan import RunPlan

        # not the parent's, which would skip what follows a rejection
        answer = HITLOperator.execute_complete(self, context, event)
        person = answer["responded_by_user"]
        with told_to_airflow():
            return steps.keep_answer(
                RunPlan.load(self.pipeline, context["dag_run"].run_id),
                approved=answer["chosen_options"] == [self.APPROVE],
                by=person["name"] if person else None,
                reason=answer["params_input"].get(REASON, ""),
                at=answer["responded_at"],
            )
