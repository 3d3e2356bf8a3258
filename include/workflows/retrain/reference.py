"""The reference of a challenger: sketches of its training rows and predictions, for the monitor.

A run does not need it: an error here is logged, and no task fails.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.evaluation.reference import REFERENCE
from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model
    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)


def write_reference(
    pipeline: Pipeline, plan: RunPlan, model: Model, train: pd.DataFrame, holdout: pd.DataFrame
) -> None:
    """Sketch the features of the training rows and the predictions of the holdout; log an error and go on.

    Parameters
    ----------
    train, holdout
        The rows that the model was fitted on, and the holdout rows.
    """
    from include.evaluation.reference import day_numbers, make_reference, prediction_columns
    from include.training.fit import predict

    chosen, training = files.challenger(plan).chosen, pipeline.training
    try:
        reference = make_reference(
            train[chosen.features],
            prediction_columns(predict(model, holdout, training, chosen.classes), chosen.classes),
            (day_numbers(train["prediction_time"]), day_numbers(holdout["prediction_time"])),
            window_days=pipeline.monitoring.window_days,
            min_rows=pipeline.monitoring.min_rows,
            classes=chosen.classes,
        )
    except Exception as error:
        log.warning(
            "%s: no reference was written, so the monitor cannot measure drift of this version: %r",
            pipeline.name,
            error,
        )
        log.debug("the cause", exc_info=True)
        return
    run_files.write_json(_file(plan), reference.to_json())


def model_files(plan: RunPlan) -> dict[str, bytes]:
    """Return the files that are registered with the challenger's model, by name."""
    path = _file(plan)
    return {REFERENCE: path.read_bytes()} if path.exists() else {}


def _file(plan: RunPlan) -> UPath:
    # named for the model, so that a refitted challenger does not take an earlier one's reference
    return files.folder(plan) / f"reference-{files.challenger(plan).sha256[:12]}.json"
