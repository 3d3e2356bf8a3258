"""Publish a validated batch as the lake's partitions of its days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.lake.tables import TableVersion


class PublishBatchOperator(PipelineStepOperator):
    """Replace the days of a batch in its source's raw table, in one commit.

    Parameters
    ----------
    batch
        What ValidateBatchOperator returned.
    """

    template_fields = ("batch",)

    def __init__(self, *, batch: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch = batch

    def run_step(self, pipeline: Pipeline, context: Context) -> TableVersion:
        """Return the table and its new version."""
        from include.ingestion.publish import publish_batch
        from include.ingestion.stage import StagedBatch

        return publish_batch(pipeline, StagedBatch.from_json(self.batch))
