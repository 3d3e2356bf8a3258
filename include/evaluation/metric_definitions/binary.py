"""The metrics of two classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn import metrics

from include.evaluation.metric_definitions.definition import MetricDefinition
from include.evaluation.probability_bins import PROBABILITY_BINS, bin_of_probability
from include.evaluation.ranking_resamples import average_precision_on_resamples, roc_auc_on_resamples
from include.evaluation.resamples import log_of_probability, mean_on_resamples, sum_by_day, sum_by_day_and_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.evaluation.metric_definitions.definition import OnResamples, Value
    from include.evaluation.resamples import MetricOnResamples


def _binary_metric(
    name: str,
    value: Value,
    on_resamples: OnResamples,
    *,
    higher_is_better: bool,
    is_undefined: Callable[[np.ndarray, np.ndarray], bool] | None = None,
) -> MetricDefinition:
    return MetricDefinition(
        name,
        higher_is_better,
        "log",
        value,
        on_resamples,
        is_undefined or _has_one_class,
        "it is not defined where every label is of the same class",
        needs_every_class=True,
    )


def _has_one_class(y_true: np.ndarray, y_pred: np.ndarray) -> bool:
    return len(np.unique(y_true)) < 2


def _has_no_probabilities(y_true: np.ndarray, y_pred: np.ndarray) -> bool:
    """Return whether a prediction is outside 0 to 1, as a baseline's may be, or all labels are of one class."""
    return _has_one_class(y_true, y_pred) or bool(y_pred.min() < 0 or y_pred.max() > 1)


def _calibration_error(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Return the expected calibration error: how far shares and probabilities are apart, over bins.

    It is the mean over all rows of the absolute difference, in the row's bin, of the share of positives and
    the mean probability (Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian
    binning, AAAI 2015), here over ten bins of equal width. Weighted by the rows of each bin, it is a sum of
    differences. Chance moves the shares of small bins, so even a perfect model has an error above 0.
    """
    return float(np.abs(np.bincount(bin_of_probability(y_pred), weights=y_true - y_pred)).sum() / len(y_true))


def _calibration_error_on_resamples(y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Return the error of each resample, which chance makes larger than the holdout's own.

    The better calibrated a model is, the more chance adds. Two models seem closer to each other than they are, so a
    comparison errs towards a tie.
    """
    apart = sum_by_day_and_kind(bin_of_probability(y_pred), PROBABILITY_BINS, day, weights=y_true - y_pred)
    rows = np.bincount(day)
    return lambda resamples: np.abs(resamples @ apart).sum(axis=1) / (resamples @ rows)


def _f1_on_resamples(positive: np.ndarray, predicted: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Return twice the hits over the sum of positives and predicted positives; NaN without a positive."""
    hits, positives = sum_by_day(positive & predicted, day), sum_by_day(positive, day)
    either = positives + sum_by_day(predicted, day)

    def values(resamples: np.ndarray) -> np.ndarray:
        return 2 * (resamples @ hits) / np.where(resamples @ positives > 0, resamples @ either, np.nan)

    return values


BINARY = [
    _binary_metric(
        "roc_auc",
        lambda metric, y_true, y_pred: metrics.roc_auc_score(y_true, y_pred),
        lambda metric, y_true, y_pred, day: roc_auc_on_resamples(y_true == 1, y_pred, day),
        higher_is_better=True,
    ),
    _binary_metric(
        "average_precision",
        lambda metric, y_true, y_pred: metrics.average_precision_score(y_true, y_pred),
        lambda metric, y_true, y_pred, day: average_precision_on_resamples(y_true == 1, y_pred, day),
        higher_is_better=True,
    ),
    _binary_metric(
        "log_loss",
        lambda metric, y_true, y_pred: metrics.log_loss(y_true, y_pred),
        lambda metric, y_true, y_pred, day: mean_on_resamples(
            -log_of_probability(np.where(y_true == 1, y_pred, 1 - y_pred)), day
        ),
        higher_is_better=False,
        is_undefined=_has_no_probabilities,
    ),
    _binary_metric(
        "brier",
        lambda metric, y_true, y_pred: metrics.brier_score_loss(y_true, y_pred),
        lambda metric, y_true, y_pred, day: mean_on_resamples((y_pred - y_true) ** 2, day),
        higher_is_better=False,
        is_undefined=_has_no_probabilities,
    ),
    _binary_metric(
        "calibration_error",
        lambda metric, y_true, y_pred: _calibration_error(y_true, y_pred),
        lambda metric, y_true, y_pred, day: _calibration_error_on_resamples(y_true, y_pred, day),
        higher_is_better=False,
        is_undefined=_has_no_probabilities,
    ),
    _binary_metric(
        "f1",
        lambda metric, y_true, y_pred: metrics.f1_score(y_true == 1, y_pred >= metric.threshold, zero_division=0.0),
        lambda metric, y_true, y_pred, day: _f1_on_resamples(y_true == 1, y_pred >= metric.threshold, day),
        higher_is_better=True,
    ),
]
