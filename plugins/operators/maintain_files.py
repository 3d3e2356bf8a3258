"""Maintain the files next to the lake's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.lake.maintenance import FilesUpkeep


class MaintainFilesOperator(PipelineStepOperator):
    """Remove staged batches, pages and run folders that nothing can use any longer."""

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, FilesUpkeep]:
        """Return what was removed from each folder."""
        from include.lake.maintenance import maintain_files

        return maintain_files(pipeline)
