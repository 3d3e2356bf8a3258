"""Plan a scoring run: pin its day, its tables and the champion."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class PlanScoringOperator(PipelineStepOperator):
    """Pin all that decides what the run predicts; the run's one param is `as_of`."""

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the plan."""
        from include.scoring.plan import plan_scoring

        as_of = context["params"].get("as_of")
        return plan_scoring(
            pipeline, run_key=context["dag_run"].run_id, as_of=date.fromisoformat(as_of) if as_of else None
        ).to_json()
