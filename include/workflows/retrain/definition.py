"""The pipeline's own files, which its record keeps so that a version can be made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def pipeline_files(pipeline: Pipeline) -> dict[str, str]:
    """Return the pipeline's own files by path, from which the run can be made again when they have changed."""
    return {
        path.relative_to(pipeline.folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(pipeline.folder.rglob("*"))
        if path.suffix in (".yaml", ".sql") and path.is_file()
    }
