"""Carry out a person's decision about the champion: roll back, hold or release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core.errors import ConfigError
from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline


class ChangeChampionOperator(PipelineStepOperator):
    """Follow the run's form: `decision` (rollback, hold or release), `version`, `reason`."""

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, int | None]:
        """Return the champion before and after."""
        from include.workflows.retrain import decisions

        params, by = context["params"], asked_by(context)
        decision, reason = params["decision"], params["reason"]
        if decision != "rollback" and params.get("version") is not None:
            raise ConfigError(
                f"{pipeline.name}: the form names version {params['version']}, and {decision} takes no version; start "
                f"another run with the decision rollback, or without a version"
            )
        if decision == "rollback":
            change = decisions.rollback(pipeline, params.get("version"), reason=reason, by=by)
        elif decision == "hold":
            change = decisions.hold(pipeline, reason=reason, by=by)
        else:
            change, was = decisions.release(pipeline, by=by, reason=reason)
            self.log.info("%s", was)
        for line in decisions.describe_change(change):
            self.log.info("%s", line)
        return {"before": change.before, "after": change.after}


def asked_by(context: Context) -> str:
    """Return the Airflow user who started the run."""
    return getattr(context["dag_run"], "triggering_user_name", None) or "an unknown user"
