"""Maintain one table of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.lake.maintenance import Layer, TableUpkeep


class MaintainTableOperator(PipelineStepOperator):
    """Merge a table's small files, and remove files that only versions older than `keep_days` need.

    Parameters
    ----------
    layer
        Which kind of table.
    source
        Name of the source in pipeline.yaml; None for tables that belong to no source.
    """

    def __init__(self, *, layer: Layer, source: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = layer
        self.source = source

    def run_step(self, pipeline: Pipeline, context: Context) -> TableUpkeep | None:
        """Return what was merged and removed, or None if the table does not exist yet."""
        from include.lake.maintenance import maintain_table

        return maintain_table(pipeline, self.layer, self.source)
