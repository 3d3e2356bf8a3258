"""Extract one source's rows into a staged batch."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.ingestion.stage import StagedBatch


class ExtractSourceOperator(PipelineStepOperator):
    """Read a source for the run's days: its params `start` and `end`, or the day of its schedule.

    Parameters
    ----------
    source
        Name of the source in pipeline.yaml.
    """

    def __init__(self, *, source: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source

    def run_step(self, pipeline: Pipeline, context: Context) -> StagedBatch:
        """Stage the rows and return the batch."""
        from include.ingestion.extract import extract_source
        from plugins.hooks.airflow_connections import AirflowConnections

        start, end = days_of_run(context)
        return extract_source(pipeline, self.source, start, end, AirflowConnections())


def days_of_run(context: Context) -> tuple[date, date]:
    """Return the first and last day that a run ingests, both inclusive.

    Without a form these are the days of the schedule's interval: one day for a daily cron, and three for the Monday run
    of a cron without weekends.

    Raises
    ------
    ConfigError
        If a day in the run's params has not ended yet, or `end` is before `start`.
    """
    from include.ingestion.days import chosen_days

    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    run = context["dag_run"]
    first = last = yesterday
    if run.data_interval_start and run.data_interval_end:
        first = min(run.data_interval_start.astimezone(UTC).date(), yesterday)
        last = max(first, min(run.data_interval_end.astimezone(UTC).date() - timedelta(days=1), yesterday))
    params = context["params"]
    named = [date.fromisoformat(params[each]) if params.get(each) else None for each in ("start", "end")]
    return chosen_days(named[0], named[1], (first, last), yesterday + timedelta(days=1))
