"""What a challenger has learned from, as the monitor will remember it: a file that is kept with the model.

A run is as good without it: what goes wrong here is told in the log, and no task fails.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.evaluation.sketch import REFERENCE
from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model
    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)


def write_reference(pipeline: Pipeline, plan: RunPlan, model: Model, learned: pd.DataFrame, held: pd.DataFrame) -> None:
    """Sketch the features and the predictions; where that fails, the log says why, and the run goes on.

    Parameters
    ----------
    learned, held
        The rows that the model has learned from, and those that were held out.
    """
    from include.evaluation.sketch import day_numbers, make_reference, prediction_columns
    from include.training.fit import predict

    chosen, training = files.challenger(plan).chosen, pipeline.training
    try:
        reference = make_reference(
            learned[chosen.features],
            prediction_columns(predict(model, held, training, chosen.classes), chosen.classes),
            (day_numbers(learned["prediction_time"]), day_numbers(held["prediction_time"])),
            window_days=pipeline.monitoring.window_days,
            min_rows=pipeline.monitoring.min_rows,
            classes=chosen.classes,
        )
    except Exception as error:
        log.warning(
            "%s: what the challenger has learned from was not sketched, so the monitor will know no drift of its: %r",
            *(pipeline.name, error),
        )
        log.debug("why", exc_info=True)
        return
    run_files.write_json(_file(plan), reference.to_json())


def model_files(plan: RunPlan) -> dict[str, bytes]:
    """Return what is kept with the challenger's model, by file name."""
    path = _file(plan)
    return {REFERENCE: path.read_bytes()} if path.exists() else {}


def _file(plan: RunPlan) -> UPath:
    # of the model that the run has now, and of no earlier one
    return files.folder(plan) / f"reference-{files.challenger(plan).sha256[:12]}.json"
