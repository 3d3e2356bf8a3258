"""The metrics that models are tuned for and compared by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from include.training_config import METRICS

if TYPE_CHECKING:
    import numpy as np


def metric_value(metric: str, y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Return one metric, or NaN where it is not defined.

    Parameters
    ----------
    metric
        A name in `include.training_config.METRICS`.
    y_true
        Labels: 0 or 1 for a binary task, of shape (n_rows,).
    y_pred
        Probabilities of 1 (binary) or values (regression), of shape (n_rows,).
    """
    import numpy as np
    from sklearn import metrics

    if not len(y_true) or not np.isfinite(y_pred).all() or not np.isfinite(y_true).all():
        return math.nan
    if metric in METRICS["binary"] and len(np.unique(y_true)) < 2:
        return math.nan
    if metric in ("log_loss", "brier") and (y_pred.min() < 0 or y_pred.max() > 1):
        return math.nan  # the scores of a baseline need not be probabilities
    if metric == "r2" and np.ptp(y_true) == 0:
        return math.nan
    compute = {
        "roc_auc": metrics.roc_auc_score,
        "average_precision": metrics.average_precision_score,
        "log_loss": metrics.log_loss,
        "brier": metrics.brier_score_loss,
        "mae": metrics.mean_absolute_error,
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
    }
    return float(compute[metric](y_true, y_pred))


def all_metrics(task: str, y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    """Return every metric of a task; NaN where one is not defined."""
    return {metric: metric_value(metric, y_true, y_pred) for metric in METRICS[task]}
