"""The constant or feature that a model must be better than."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from include.evaluation.metrics import Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from include.config.pipeline import Pipeline


def baseline_predictions(
    pipeline: Pipeline, train_labels: np.ndarray, holdout: pd.DataFrame, n_classes: int | None = None
) -> np.ndarray:
    """Return the baseline's predictions for the held-out rows, in the shape of a model's.

    The baseline is the best constant for the training labels (see `Metric.best_constant`), or the feature that
    gate.baseline names; where the feature is missing, the constant stands in.

    Parameters
    ----------
    train_labels
        Training labels, all known, of shape (n_train_rows,); codes for several classes.
    n_classes
        Number of classes, for several classes.
    """
    import numpy as np

    prior = Metric.of(pipeline.training).best_constant(train_labels, n_classes)
    if pipeline.training.task == "multiclass":
        return np.tile(prior, (len(holdout), 1))
    if pipeline.gate.baseline == "prior":
        return np.full(len(holdout), prior)
    values = holdout[pipeline.gate.baseline].to_numpy(dtype="float64")
    return np.where(np.isfinite(values), values, prior)


def best_f1_threshold(metric: Metric, y_true: np.ndarray, baseline: np.ndarray) -> float:
    """Return the threshold at which the baseline's F1 is highest on the holdout itself.

    A baseline has no threshold of its own, and a feature may be on any scale. The best threshold prevents a
    challenger from being better only because of its threshold. For a constant it counts every row as positive.
    """
    import numpy as np
    from sklearn.metrics import precision_recall_curve

    if metric.task != "binary" or math.isnan(replace(metric, name="f1").value(y_true, baseline)):
        return metric.threshold
    precision, recall, thresholds = precision_recall_curve(y_true, baseline)
    # the last point has no threshold; F1 is 0 where precision and recall are both 0
    sums = np.maximum(precision + recall, np.finfo("float64").tiny)[:-1]
    return float(thresholds[np.argmax((precision * recall)[:-1] / sums)])
