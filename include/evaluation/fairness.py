"""How differently the challenger treats groups of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evaluation.groups import rows_by_value
from include.evaluation.intervals import LEAST_DEFINED, simultaneous_half_width
from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields
from include.evaluation.resamples import day_resamples

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from include.evaluation.metrics import Metric

#: Minimum number of rows of a group. With no hit among 30 rows the true rate may still be 3 of 30 (the rule of three:
#: Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 249, 1983).
FEWEST_ROWS = 30


@dataclass(frozen=True)
class GroupValue:
    """The value of a fairness measure in one group.

    Attributes
    ----------
    rows
        Rows that count for the value: for a true positive rate the positive rows.
    value
        NaN for fewer than 30 rows, or too few days.
    """

    rows: int
    value: Number


@dataclass(frozen=True)
class GroupGap:
    """How far the groups of a column are apart in one fairness measure.

    Attributes
    ----------
    measure
        `share predicted positive`, `true positive rate`, `false positive rate`, `accuracy`, `mean error` or
        `share at or below the prediction`.
    groups
        By the value of the column, as `rows_by_value` names it.
    gap
        The largest value of a group minus the smallest; NaN where fewer than two groups have a value.
    low, high
        Ends of the interval of the gap between these two groups; NaN where it is not defined.
    """

    column: str
    measure: str
    groups: dict[str, GroupValue]
    gap: Number
    low: Number
    high: Number


def measure_fairness(
    metric: Metric,
    frame: pd.DataFrame,
    columns: Sequence[str],
    y_true: np.ndarray,
    days: np.ndarray,
    predicted: np.ndarray,
    *,
    min_rows: int,
    rounds: int,
    confidence: float,
    seed: int,
) -> list[GroupGap]:
    """Return how far the groups of each column are apart, in each fairness measure of the task.

    Binary, at the threshold of `metric`: the share predicted positive, which demographic parity makes equal
    (Calders, Kamiran and Pechenizkiy, Building classifiers with independency constraints, ICDM workshops 2009), and
    the true and false positive rates, which equalised odds make equal (Hardt, Price and Srebro, Equality of
    opportunity in supervised learning, NIPS 2016). Groups with different base rates cannot be equal in all of them,
    unless a model is perfect or useless (Kleinberg, Mullainathan and Raghavan, Inherent trade-offs in the fair
    determination of risk scores, ITCS 2017).

    Multiclass: accuracy. Regression and forecasting: the mean error, prediction minus label, in standard deviations
    of the holdout's labels. For pinball, which does not predict the mean: the share of labels at or below the
    prediction.

    Parameters
    ----------
    frame
        The held-out rows, with `columns` among its columns.
    y_true, predicted
        Labels and the challenger's predictions of these rows, as `Metric.value` takes them.
    days
        The day of each row, of shape (n_rows,).
    min_rows
        A value with fewer rows is not a group of its own: see `rows_by_value`.

    Returns
    -------
    list of GroupGap
        One for each column and fairness measure, also where there are fewer than two groups.
    """
    import numpy as np

    unique, day = np.unique(days, return_inverse=True)
    resamples = day_resamples(len(unique), rounds, seed) if len(unique) else np.empty((rounds, 0))
    outcomes = _outcomes(metric, y_true, np.asarray(predicted, dtype="float64"))
    found = []
    for column in dict.fromkeys(columns):
        groups = rows_by_value(frame, column, min_rows)
        for name, (values, counted) in outcomes.items():
            of_groups = {value: rows[counted[rows]] for value, rows in groups.items()}
            found.append(_gap(column, name, of_groups, values, day, resamples, confidence))
    return found


def _outcomes(metric: Metric, y_true: np.ndarray, predicted: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return, by fairness measure, the values to average and the rows that count; NaN for a non-finite prediction."""
    import numpy as np

    finite = np.isfinite(predicted if predicted.ndim == 1 else predicted.sum(axis=1))
    everyone = np.ones(len(y_true), dtype=bool)
    if metric.task == "binary":
        positive = np.where(finite, predicted >= metric.threshold, math.nan)
        return {
            "share predicted positive": (positive, everyone),
            "true positive rate": (positive, y_true == 1),
            "false positive rate": (positive, y_true == 0),
        }
    if metric.task == "multiclass":
        return {"accuracy": (np.where(finite, predicted.argmax(axis=1) == y_true, math.nan), everyone)}
    if metric.definition.loss == "quantile":
        return {"share at or below the prediction": (np.where(finite, y_true <= predicted, math.nan), everyone)}
    spread = float(np.std(y_true)) if len(y_true) else 0.0
    error = np.where(finite, predicted, math.nan) - y_true
    return {"mean error": (error / (spread or math.nan), everyone)}  # equal labels have no unit to express the error in


def _gap(
    column: str,
    name: str,
    groups: dict[str, np.ndarray],
    values: np.ndarray,
    day: np.ndarray,
    resamples: np.ndarray,
    confidence: float,
) -> GroupGap:
    """Return the gap between the groups' means of the values; `groups` has the positions of the rows."""
    import numpy as np

    if not groups:
        return GroupGap(column, name, {}, math.nan, math.nan, math.nan)
    n_days = resamples.shape[1]
    rows = np.stack([np.bincount(day[of], minlength=n_days) for of in groups.values()], axis=1)
    sums = np.stack([np.bincount(day[of], values[of], minlength=n_days) for of in groups.values()], axis=1)
    below = resamples @ rows
    drawn = (resamples @ sums) / np.where(below > 0, below, math.nan)
    known = (rows.sum(axis=0) >= FEWEST_ROWS) & (np.isfinite(drawn).mean(axis=0) >= LEAST_DEFINED)
    means = np.where(known, sums.sum(axis=0) / np.maximum(rows.sum(axis=0), 1), math.nan)
    by_group = {
        value: GroupValue(len(of), float(mean)) for (value, of), mean in zip(groups.items(), means, strict=True)
    }
    if known.sum() < 2:
        return GroupGap(column, name, by_group, math.nan, math.nan, math.nan)
    means, drawn = means[known], drawn[:, known]
    gap = float(means.max() - means.min())
    width = simultaneous_half_width(means, drawn, n_days, confidence) if n_days > 1 else math.nan
    return GroupGap(column, name, by_group, gap, gap - width, gap + width)
