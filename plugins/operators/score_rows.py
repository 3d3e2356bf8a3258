"""Predict the rows of a day with the champion, and publish the predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.operators.page_links import VersionPageLink
from plugins.operators.step import PipelineStepOperator, note_run

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.workflows.score.score import ScoringResult


class ScoreRowsOperator(PipelineStepOperator):
    """Follow the run's plan, log what was published, and attach the day to the outlet's asset event."""

    operator_extra_links = (VersionPageLink(),)

    def run_step(self, pipeline: Pipeline, context: Context) -> ScoringResult:
        """Return the day, the version, the number of rows and their table."""
        from include.workflows.score.plan import ScoringPlan
        from include.workflows.score.score import score_rows

        found = score_rows(pipeline, ScoringPlan.load(pipeline.name, context["dag_run"].run_id))
        rows = f"{found.rows:,} row{'s' * (found.rows != 1)}"
        note_run(context, f"{rows} predicted as of {found.as_of} with version {found.version}")
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"as_of": found.as_of.isoformat()}
        return found
