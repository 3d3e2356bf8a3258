"""Whether probabilities are calibrated: of the rows with probability 0.3, three in ten are positive."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.evaluation.intervals import basic_interval
from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields
from include.evaluation.resamples import day_resamples

if TYPE_CHECKING:
    import numpy as np

    from include.evaluation.metrics import Metric

#: Probabilities are clipped to this distance from 0 and 1 before their log odds are taken.
CERTAIN = 1e-6


@dataclass(frozen=True)
class CalibrationResult:
    """How far the challenger's probabilities are from the observed frequencies.

    Attributes
    ----------
    error
        Expected calibration error: how far probabilities and shares of positives are apart, over ten bins.
    low, high
        Ends of the error's interval; NaN where it is not defined. Chance makes the error of a resample larger than
        the holdout's, and the holdout's larger than the true error. The interval takes this bias off, so it may lie
        below the error itself.
    champion_error
        The champion's error on the same rows; None without a champion.
    slope, intercept
        Coefficients of the logistic recalibration: 1 and 0 where nothing needs correction. A slope below 1 means that
        probabilities are too extreme; an intercept above 0 (at a slope of 1), that they are too low. NaN where they
        are not defined, as for one probability for all rows.
    mean_predicted, mean_observed
        Mean probability, and share of positives.
    """

    error: Number
    low: Number
    high: Number
    champion_error: Number | None
    slope: Number
    intercept: Number
    mean_predicted: Number
    mean_observed: Number


def measure_calibration(
    metric: Metric,
    y_true: np.ndarray,
    days: np.ndarray,
    challenger: np.ndarray,
    champion: np.ndarray | None,
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> CalibrationResult | None:
    """Return how well the challenger is calibrated; None unless the task is binary.

    The interval is a `basic_interval` of a bootstrap over days.

    Parameters
    ----------
    y_true, challenger, champion
        Labels 0 or 1, and probabilities of 1 for the same rows, of shape (n_rows,); None without a champion.
    days
        The day of each row, of shape (n_rows,).
    """
    import numpy as np

    if metric.task != "binary":
        return None
    error_metric = replace(metric, name="calibration_error")
    error = error_metric.value(y_true, challenger)
    low = high = slope = intercept = math.nan
    unique, day = np.unique(days, return_inverse=True)
    if math.isfinite(error):
        slope, intercept = recalibration(y_true, challenger)
        if len(unique) > 1:
            resamples = day_resamples(len(unique), rounds, seed)
            errors = error_metric.on_resamples(y_true, challenger, day)(resamples)
            low, high = (max(end, 0.0) for end in basic_interval(error, errors, confidence))
    return CalibrationResult(
        error,
        low,
        high,
        champion_error=None if champion is None else error_metric.value(y_true, champion),
        slope=slope,
        intercept=intercept,
        mean_predicted=float(np.mean(challenger)) if len(y_true) else math.nan,
        mean_observed=float(np.mean(y_true)) if len(y_true) else math.nan,
    )


def recalibration(y_true: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of the logistic regression of the labels on the log odds of the probabilities.

    Cox, Two further applications of a model for binary regression, Biometrika 45 (1958). Both are NaN where they are
    not defined: for one probability for all rows, or where the probabilities separate the labels perfectly.
    """
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    clipped = np.clip(np.asarray(probabilities, dtype="float64"), CERTAIN, 1 - CERTAIN)
    odds = np.log(clipped / (1 - clipped))
    positive, negative = odds[y_true == 1], odds[y_true == 0]
    if np.ptp(odds) == 0 or positive.min() >= negative.max() or positive.max() <= negative.min():
        return math.nan, math.nan
    model = LogisticRegression(C=math.inf, solver="newton-cholesky", tol=1e-8)  # without a penalty
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(odds[:, None], y_true)
        except ConvergenceWarning:
            return math.nan, math.nan
    return float(model.coef_[0, 0]), float(model.intercept_[0])
