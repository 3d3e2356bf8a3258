"""Plan a retraining run: pin its tables, its champion and its budget."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class PlanRunOperator(PipelineStepOperator):
    """Pin all that decides what the run does; the run's params are `as_of`, `tuning_seconds`, `dry_run`."""

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the plan."""
        from include.retraining.plan import plan_run

        params = context["params"]
        return plan_run(
            pipeline,
            run_key=context["dag_run"].run_id,
            as_of=date.fromisoformat(params["as_of"]) if params.get("as_of") else None,
            tuning_seconds=params.get("tuning_seconds"),
            dry_run=params.get("dry_run", False),
        ).to_json()
