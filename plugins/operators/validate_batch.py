"""Validate a staged batch with Great Expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.page_links import ValidationPageLink
from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.ingestion.stage import StagedBatch


class ValidateBatchOperator(PipelineStepOperator):
    """Check a staged batch against the expectations of its source.

    Parameters
    ----------
    batch
        What ExtractSourceOperator returned.
    """

    template_fields = ("batch",)
    operator_extra_links = (ValidationPageLink(),)

    def __init__(self, *, batch: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch = batch

    def run_step(self, pipeline: Pipeline, context: Context) -> StagedBatch:
        """Return the batch for the publishing task."""
        from include.ingestion.stage import StagedBatch
        from include.validation.validate import validate_batch

        batch = StagedBatch.from_json(self.batch)
        validate_batch(pipeline, batch, run=context["dag_run"].run_id)
        return batch
