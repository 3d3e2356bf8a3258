"""The metrics of several classes; a mean over classes is over the classes that are among the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn import metrics

from include.evaluation.metric_definitions.definition import MetricDefinition
from include.evaluation.ranking_resamples import roc_auc_on_resamples
from include.evaluation.resamples import log_of_probability, mean_on_resamples, sum_by_day_and_kind

if TYPE_CHECKING:
    from include.evaluation.resamples import MetricOnResamples

_ONE_CLASS = "it is not defined where every label is of the same class"


def _has_one_class(y_true: np.ndarray, y_pred: np.ndarray) -> bool:
    return len(np.unique(y_true)) < 2


def _lacks_a_class(y_true: np.ndarray, y_pred: np.ndarray) -> bool:
    present = len(np.unique(y_true))
    return present < 2 or present < y_pred.shape[1]


def _has_no_probabilities(y_true: np.ndarray, y_pred: np.ndarray) -> bool:
    return _has_one_class(y_true, y_pred) or bool(y_pred.min() < 0 or not np.allclose(y_pred.sum(axis=1), 1, atol=1e-5))


def _log_loss(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    # in single precision the sums miss 1 by more than scikit-learn accepts without a warning
    return metrics.log_loss(y_true, y_pred / y_pred.sum(axis=1)[:, None], labels=np.arange(y_pred.shape[1]))


def _log_loss_on_resamples(y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    of_label = y_pred[np.arange(len(y_true)), y_true.astype("int64")]
    return mean_on_resamples(-log_of_probability(of_label / y_pred.sum(axis=1)), day)


def _roc_auc_ovr(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    # scikit-learn's own mean refuses rows whose sum is not 1, which this metric does not need
    return float(np.mean([metrics.roc_auc_score(y_true == code, y_pred[:, code]) for code in range(y_pred.shape[1])]))


def _roc_auc_ovr_on_resamples(y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    of_class = [roc_auc_on_resamples(y_true == code, y_pred[:, code], day) for code in range(y_pred.shape[1])]
    return lambda resamples: np.mean([values(resamples) for values in of_class], axis=0)


def _balanced_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    # balanced_accuracy_score is the same number, but warns of a class that is predicted and not among the labels
    return metrics.recall_score(y_true, y_pred.argmax(axis=1), labels=np.unique(y_true), average="macro")


def _f1_macro(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return metrics.f1_score(y_true, y_pred.argmax(axis=1), labels=np.unique(y_true), average="macro", zero_division=0.0)


def _mean_over_classes_on_resamples(
    y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray, *, of_f1: bool
) -> MetricOnResamples:
    """Return the mean of recall or of F1 over the classes that a resample has labels of."""
    codes, predicted, n_classes = y_true.astype("int64"), y_pred.argmax(axis=1), y_pred.shape[1]
    hits = sum_by_day_and_kind(codes, n_classes, day, weights=codes == predicted)
    labels = sum_by_day_and_kind(codes, n_classes, day)
    guesses = sum_by_day_and_kind(predicted, n_classes, day)

    def values(resamples: np.ndarray) -> np.ndarray:
        present = resamples @ labels
        below = (present + resamples @ guesses) / 2 if of_f1 else present
        return np.nanmean((resamples @ hits) / np.where(present > 0, below, np.nan), axis=1)

    return values


MULTICLASS = [
    MetricDefinition(
        name="log_loss",
        higher_is_better=False,
        loss="log",
        value=lambda metric, y_true, y_pred: _log_loss(y_true, y_pred),
        on_resamples=lambda metric, y_true, y_pred, day: _log_loss_on_resamples(y_true, y_pred, day),
        is_undefined=_has_no_probabilities,
        when_undefined=_ONE_CLASS,
    ),
    MetricDefinition(
        name="accuracy",
        higher_is_better=True,
        loss="log",
        value=lambda metric, y_true, y_pred: metrics.accuracy_score(y_true, y_pred.argmax(axis=1)),
        on_resamples=lambda metric, y_true, y_pred, day: mean_on_resamples(y_true == y_pred.argmax(axis=1), day),
        is_undefined=_has_one_class,
        when_undefined=_ONE_CLASS,
    ),
    MetricDefinition(
        name="balanced_accuracy",
        higher_is_better=True,
        loss="log",
        value=lambda metric, y_true, y_pred: _balanced_accuracy(y_true, y_pred),
        on_resamples=lambda metric, y_true, y_pred, day: _mean_over_classes_on_resamples(
            y_true, y_pred, day, of_f1=False
        ),
        is_undefined=_has_one_class,
        when_undefined=_ONE_CLASS,
    ),
    MetricDefinition(
        name="f1_macro",
        higher_is_better=True,
        loss="log",
        value=lambda metric, y_true, y_pred: _f1_macro(y_true, y_pred),
        on_resamples=lambda metric, y_true, y_pred, day: _mean_over_classes_on_resamples(
            y_true, y_pred, day, of_f1=True
        ),
        is_undefined=_has_one_class,
        when_undefined=_ONE_CLASS,
    ),
    MetricDefinition(
        name="roc_auc_ovr",
        higher_is_better=True,
        loss="log",
        value=lambda metric, y_true, y_pred: _roc_auc_ovr(y_true, y_pred),
        on_resamples=lambda metric, y_true, y_pred, day: _roc_auc_ovr_on_resamples(y_true, y_pred, day),
        is_undefined=_lacks_a_class,
        when_undefined="it is defined only where every class is among the labels",
        needs_every_class=True,
    ),
]
