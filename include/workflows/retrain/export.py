"""The challenger in the formats that pipeline.yaml asks for, beside the model file that Nightshift itself loads."""

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
#: Held-out rows on which both are compared.
MAX_ROWS = 5000


def write_exports(
    pipeline: Pipeline, plan: RunPlan, model: Model, rows: pd.DataFrame, classes: list[Any] | None
) -> None:
    """Write the formats that are asked for; where one is not to be had, the log says why, and the run goes on.

    Parameters
    ----------
    rows
        Held-out rows, on which its predictions are compared.
    classes
        The labels that the model tells apart, of several classes.
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
            "%s: no ONNX file is written, since %s; docs/how-to/serve-with-onnx.md has the models that can be exported",
            *(pipeline.name, export.reason),
        )
        return
    run_files.write_bytes(_file(plan), export.content)
    log.info(
        "%s: ONNX file of %s bytes; on %s rows its predictions differ by at most %.2g",
        *(pipeline.name, f"{len(export.content):,}", f"{export.rows:,}", export.largest_difference),
    )


def exported_files(pipeline: Pipeline, plan: RunPlan) -> dict[str, bytes]:
    """Return the files that were written, by their names in MLflow."""
    path = _file(plan)
    return {ONNX: path.read_bytes()} if "onnx" in pipeline.export and path.exists() else {}


def _file(plan: RunPlan) -> UPath:
    # of the model that the run has now, and of no earlier one
    digest = files.challenger(plan).sha256[:12]
    return files.folder(plan) / f"challenger-{digest}.onnx"
