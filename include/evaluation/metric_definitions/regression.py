"""The metrics of values: of the tasks regression and forecasting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn import metrics

from include.evaluation.metric_definitions.definition import MetricDefinition
from include.evaluation.resamples import mean_on_resamples, ratio_on_resamples, root_on_resamples, sum_by_day

if TYPE_CHECKING:
    from include.evaluation.resamples import MetricOnResamples


def _r2_on_resamples(y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    rows, residual = np.bincount(day), sum_by_day((y_true - y_pred) ** 2, day)
    centred = y_true - y_true.mean()  # R² does not change, and the squares stay small
    sums, squares = sum_by_day(centred, day), sum_by_day(centred**2, day)

    def values(resamples: np.ndarray) -> np.ndarray:
        total = resamples @ squares - (resamples @ sums) ** 2 / (resamples @ rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            # a total that is 0 but for rounding belongs to equal labels
            return 1 - (resamples @ residual) / np.where(total > 1e-12 * (resamples @ squares), total, np.nan)

    return values


def _pinball_on_resamples(
    y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray, quantile: float
) -> MetricOnResamples:
    error = y_true - y_pred
    return mean_on_resamples(np.maximum(quantile * error, (quantile - 1) * error), day)


REGRESSION = [
    MetricDefinition(
        name="mae",
        higher_is_better=False,
        loss="absolute",
        value=lambda metric, y_true, y_pred: metrics.mean_absolute_error(y_true, y_pred),
        on_resamples=lambda metric, y_true, y_pred, day: mean_on_resamples(np.abs(y_true - y_pred), day),
    ),
    MetricDefinition(
        name="rmse",
        higher_is_better=False,
        loss="squared",
        value=lambda metric, y_true, y_pred: metrics.root_mean_squared_error(y_true, y_pred),
        on_resamples=lambda metric, y_true, y_pred, day: root_on_resamples(
            mean_on_resamples((y_true - y_pred) ** 2, day)
        ),
    ),
    # where a label is 0, scikit-learn divides by a tiny number instead, and one such row makes the mean 10^14
    MetricDefinition(
        name="mape",
        higher_is_better=False,
        loss="absolute",
        value=lambda metric, y_true, y_pred: metrics.mean_absolute_percentage_error(y_true, y_pred),
        on_resamples=lambda metric, y_true, y_pred, day: mean_on_resamples(
            np.abs(y_true - y_pred) / np.abs(y_true), day
        ),
        is_undefined=lambda y_true, y_pred: bool((y_true == 0).any()),
        when_undefined="a share of a label that is 0 is not defined, and wape has no such limit",
    ),
    # the sum of absolute errors over the sum of absolute labels (Kolassa and Schuetz, Advantages of the MAD/mean ratio
    # over the MAPE, Foresight 6, 2007)
    MetricDefinition(
        name="wape",
        higher_is_better=False,
        loss="absolute",
        value=lambda metric, y_true, y_pred: np.abs(y_pred - y_true).sum() / np.abs(y_true).sum(),
        on_resamples=lambda metric, y_true, y_pred, day: ratio_on_resamples(
            sum_by_day(np.abs(y_true - y_pred), day), sum_by_day(np.abs(y_true), day)
        ),
        is_undefined=lambda y_true, y_pred: not y_true.any(),
        when_undefined="it is not defined where every label is 0",
    ),
    MetricDefinition(
        name="r2",
        higher_is_better=True,
        loss="squared",
        value=lambda metric, y_true, y_pred: metrics.r2_score(y_true, y_pred),
        on_resamples=lambda metric, y_true, y_pred, day: _r2_on_resamples(y_true, y_pred, day),
        is_undefined=lambda y_true, y_pred: bool(np.ptp(y_true) == 0),
        when_undefined="it is not defined where every label is the same",
    ),
    # the loss that a quantile minimises (Koenker and Bassett, Regression quantiles, Econometrica 46, 1978)
    MetricDefinition(
        name="pinball",
        higher_is_better=False,
        loss="quantile",
        value=lambda metric, y_true, y_pred: metrics.mean_pinball_loss(y_true, y_pred, alpha=metric.quantile),
        on_resamples=lambda metric, y_true, y_pred, day: _pinball_on_resamples(y_true, y_pred, day, metric.quantile),
    ),
]
