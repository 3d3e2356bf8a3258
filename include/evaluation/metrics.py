"""The metrics that models are tuned for and compared by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.config.training import METRICS, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from include.config.training import Training

#: Bins of equal width of the probability, for the calibration error.
CALIBRATION_BINS = 10
_ONE_CLASS = "it is not defined where every label is of the same class"
#: Why a metric may have no value although every label and every prediction is a number.
WHEN_UNDEFINED = {
    "mape": "a share of a label that is 0 is not defined, and wape has no such limit",
    "wape": "it is not defined where every label is 0",
    "r2": "it is not defined where every label is the same",
    "roc_auc_ovr": "it is defined only where every class is among the labels",
} | dict.fromkeys(
    (metric for task in ("binary", "multiclass") for metric in METRICS[task] if metric != "roc_auc_ovr"), _ONE_CLASS
)


@dataclass(frozen=True)
class Metric:
    """One metric of a task, and what it needs to know besides labels and predictions.

    Attributes
    ----------
    quantile
        What pinball asks for; of no meaning to other metrics.
    threshold
        Probability from which a row counts as positive; of no meaning to other metrics than f1.
    """

    task: Task
    metric: str
    quantile: float = 0.5
    threshold: float = 0.5

    @classmethod
    def of(cls, training: Training, threshold: float | None = None) -> Metric:
        """Return the metric that a pipeline is tuned for and that its gate compares; no threshold is a half."""
        return cls(training.task, training.metric, training.quantile, 0.5 if threshold is None else threshold)

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher value is better."""
        return METRICS[self.task][self.metric]

    @property
    def sign(self) -> float:
        """1 where a higher value is better, and -1 otherwise."""
        return 1.0 if self.higher_is_better else -1.0

    def value(self, y_true: np.ndarray, y_pred: np.ndarray) -> float:
        """Return the metric, or NaN where it is not defined.

        Parameters
        ----------
        y_true
            Labels of shape (n_rows,): 0 or 1 (binary), codes 0 to n_classes - 1 (multiclass), or values.
        y_pred
            Probabilities of 1, of shape (n_rows,) (binary); probabilities of the classes, of shape
            (n_rows, n_classes), each row with the sum 1 (multiclass); or values, of shape (n_rows,).
        """
        import numpy as np

        y_pred = np.asarray(y_pred, dtype="float64")  # a probability is clipped by the precision of its type
        if not len(y_true) or not np.isfinite(y_pred).all() or not np.isfinite(y_true).all():
            return math.nan
        if self.task == "binary":
            return _of_binary(self, y_true, y_pred)
        return _of_classes(self, y_true, y_pred) if self.task == "multiclass" else _of_numbers(self, y_true, y_pred)


def all_metrics(measure: Metric, y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    """Return every metric of the measure's task; NaN where one is not defined."""
    return {metric: replace(measure, metric=metric).value(y_true, y_pred) for metric in METRICS[measure.task]}


def bin_of_probability(probabilities: np.ndarray) -> np.ndarray:
    """Return the bin of each probability for the calibration error, 0 to CALIBRATION_BINS - 1."""
    import numpy as np

    return np.minimum((probabilities * CALIBRATION_BINS).astype("int64"), CALIBRATION_BINS - 1)


def _of_binary(measure: Metric, y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Return a metric of two classes; where all labels are the same, nothing is told apart."""
    import numpy as np
    from sklearn import metrics

    if len(np.unique(y_true)) < 2:
        return math.nan
    if measure.metric in ("log_loss", "brier", "calibration_error") and (y_pred.min() < 0 or y_pred.max() > 1):
        return math.nan  # the scores of a baseline need not be probabilities
    compute: dict[str, Callable[[], float]] = {
        "roc_auc": lambda: metrics.roc_auc_score(y_true, y_pred),
        "average_precision": lambda: metrics.average_precision_score(y_true, y_pred),
        "log_loss": lambda: metrics.log_loss(y_true, y_pred),
        "brier": lambda: metrics.brier_score_loss(y_true, y_pred),
        "calibration_error": lambda: _calibration_error(y_true, y_pred),
        "f1": lambda: metrics.f1_score(y_true == 1, y_pred >= measure.threshold, zero_division=0.0),
    }
    return float(compute[measure.metric]())


def _calibration_error(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Return the expected calibration error: how far shares and probabilities are apart, over bins.

    It is the mean over all rows of the absolute difference, in the row's bin, of the share of positives and
    the mean probability (Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian
    binning, AAAI 2015), here over ten bins of equal width. Weighed by a bin's rows, that is a sum of
    differences. Chance moves the shares of small bins, so a perfect model has more than 0.
    """
    import numpy as np

    return float(np.abs(np.bincount(bin_of_probability(y_pred), weights=y_true - y_pred)).sum() / len(y_true))


def _of_classes(measure: Metric, y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Return a metric of several classes; a mean over classes is over those that are among the labels."""
    import numpy as np
    from sklearn import metrics

    present, n_classes = np.unique(y_true), y_pred.shape[1]
    if len(present) < 2:
        return math.nan
    if measure.metric == "roc_auc_ovr":
        if len(present) < n_classes:
            return math.nan
        # scikit-learn's own mean refuses rows whose sum is not 1, of which this metric needs nothing
        return float(np.mean([metrics.roc_auc_score(y_true == each, y_pred[:, each]) for each in range(n_classes)]))
    if measure.metric == "log_loss":
        sums = y_pred.sum(axis=1)
        if y_pred.min() < 0 or not np.allclose(sums, 1, atol=1e-5):
            return math.nan
        # probabilities of single precision miss the sum by more than scikit-learn is silent about
        return float(metrics.log_loss(y_true, y_pred / sums[:, None], labels=np.arange(n_classes)))
    predicted = y_pred.argmax(axis=1)
    compute: dict[str, Callable[[], float]] = {
        "accuracy": lambda: metrics.accuracy_score(y_true, predicted),
        # balanced_accuracy_score is the same number, with a warning where a class is predicted only
        "balanced_accuracy": lambda: metrics.recall_score(y_true, predicted, labels=present, average="macro"),
        "f1_macro": lambda: metrics.f1_score(y_true, predicted, labels=present, average="macro", zero_division=0.0),
    }
    return float(compute[measure.metric]())


def _of_numbers(measure: Metric, y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Return a metric of values.

    mape has no value where a label is 0: a share of nothing is not defined, and the tiny number that
    scikit-learn divides by instead makes a mean of 10^14 of one such row. wape is the sum of absolute errors
    over the sum of absolute labels (Kolassa and Schuetz, Advantages of the MAD/mean ratio over the MAPE,
    Foresight 6, 2007). pinball is the loss that a quantile has the least of (Koenker and Bassett, Regression
    quantiles, Econometrica 46, 1978).
    """
    import numpy as np
    from sklearn import metrics

    undefined = {
        "mape": lambda: (y_true == 0).any(),
        "wape": lambda: not y_true.any(),
        "r2": lambda: np.ptp(y_true) == 0,
    }
    if measure.metric in undefined and undefined[measure.metric]():
        return math.nan
    compute: dict[str, Callable[[], float]] = {
        "mae": lambda: metrics.mean_absolute_error(y_true, y_pred),
        "rmse": lambda: metrics.root_mean_squared_error(y_true, y_pred),
        "mape": lambda: metrics.mean_absolute_percentage_error(y_true, y_pred),
        "wape": lambda: np.abs(y_pred - y_true).sum() / np.abs(y_true).sum(),
        "r2": lambda: metrics.r2_score(y_true, y_pred),
        "pinball": lambda: metrics.mean_pinball_loss(y_true, y_pred, alpha=measure.quantile),
    }
    return float(compute[measure.metric]())
