"""Exports of the challenger in other formats, beside the model file that Nightshift itself loads."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model
    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)

ONNX = "model.onnx"
#: Number of holdout rows on which an export is compared to the model.
MAX_ROWS = 5000


def write_exports(
    pipeline: Pipeline, plan: RunPlan, model: Model, rows: pd.DataFrame, classes: list[Any] | None
) -> None:
    """Write the formats that pipeline.yaml names; where one cannot be written, log the reason and go on.

    Parameters
    ----------
    rows
        Holdout rows, on which the predictions are compared.
    classes
        The labels of a multiclass task.
    """
    from include.training.columns import feature_columns
    from include.training.fit import predict
    from include.training.onnx_export import export_onnx

    if "onnx" not in pipeline.export:
        return
    columns = feature_columns(pipeline, rows).among(set(model.feature_names_in_))
    rows = rows.head(MAX_ROWS)
    expected = predict(model, rows, pipeline.training, classes)
    export = export_onnx(model, columns, pipeline.training, rows, expected)
    if export.content is None:
        log.warning(
            "%s: wrote no ONNX file, because %s; docs/how-to/serve-with-onnx.md names the models that can be exported",
            pipeline.name,
            export.reason,
        )
        return
    run_files.write_bytes(_file(plan), export.content)
    log.info(
        "%s: wrote an ONNX file of %s bytes; its predictions of %s rows differ by at most %.2g",
        pipeline.name,
        f"{len(export.content):,}",
        f"{export.rows:,}",
        export.largest_difference,
    )


def exported_files(pipeline: Pipeline, plan: RunPlan) -> dict[str, bytes]:
    """Return the exported files, by their names in MLflow."""
    path = _file(plan)
    return {ONNX: path.read_bytes()} if "onnx" in pipeline.export and path.exists() else {}


def _file(plan: RunPlan) -> UPath:
    # named for the model, so that a refitted challenger does not take an earlier one's export
    digest = files.challenger(plan).sha256[:12]
    return files.folder(plan) / f"challenger-{digest}.onnx"
