"""The pipeline's own files, which every record keeps so that a version can be replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


def pipeline_files(pipeline: Pipeline) -> dict[str, str]:
    """Return the text of the pipeline's own files, by their path in its folder."""
    return {
        path.relative_to(pipeline.folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(pipeline.folder.rglob("*"))
        if path.suffix in (".yaml", ".sql") and path.is_file()
    }
