"""Validate a staged batch with Great Expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.page_links import ValidationPageLink, validation_page
from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline


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

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the batch for the publishing task."""
        from include.ingestion.stage import StagedBatch
        from include.validation.validate import validate_batch

        batch, run = StagedBatch(**self.batch), context["dag_run"].run_id
        page = validation_page(pipeline.name, batch.source, run)
        validate_batch(pipeline, batch, run=run, page_address=page)
        return self.batch
