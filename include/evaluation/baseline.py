"""The guess without any fitting that a model must be better than."""

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
    """Return what a guess without any fitting predicts for the held-out rows, in the shape of a model's.

    It is the one number that suits the labels learned from best: their mean, their median where the metric is
    of absolute errors, their quantile for pinball, and the frequencies of several classes. Or it is the
    feature that gate.baseline names; where that is missing, that number.

    Parameters
    ----------
    train_labels
        Labels learned from, all known, of shape (n_train_rows,); codes for several classes.
    n_classes
        How many classes there are, where there are several.
    """
    import numpy as np

    prior = Metric.of(pipeline.training).best_constant(train_labels, n_classes)
    if pipeline.training.task == "multiclass":
        return np.tile(prior, (len(holdout), 1))
    if pipeline.gate.baseline == "prior":
        return np.full(len(holdout), prior)
    values = holdout[pipeline.gate.baseline].to_numpy(dtype="float64")
    return np.where(np.isfinite(values), values, prior)


def kindest_threshold(measure: Metric, y_true: np.ndarray, baseline: np.ndarray) -> float:
    """Return the threshold with which the baseline's F1 is greatest on the holdout itself.

    A baseline has none of its own, and a feature is on any scale. The kindest one keeps a challenger from
    being better for its threshold only: for one probability for all it counts every row as positive.
    """
    import numpy as np
    from sklearn.metrics import precision_recall_curve

    if measure.task != "binary" or math.isnan(replace(measure, metric="f1").value(y_true, baseline)):
        return measure.threshold
    precision, recall, thresholds = precision_recall_curve(y_true, baseline)
    # the last point is not of a threshold; twice the product over the sum is 0 where both are
    sums = np.maximum(precision + recall, np.finfo("float64").tiny)[:-1]
    return float(thresholds[np.argmax((precision * recall)[:-1] / sums)])
