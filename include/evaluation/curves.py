"""The data of a model card's plots: ROC curves, calibration, residuals, confusion and intervals of the metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.config.training import METRICS
from include.core.json_document import JsonDocument
from include.evaluation.intervals import percentile_interval
from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields
from include.evaluation.probability_bins import PROBABILITY_BINS, bin_of_probability
from include.evaluation.resamples import day_resamples

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from include.evaluation.metrics import Metric

#: Points of one ROC curve; a page draws two curves.
ROC_POINTS = 100
#: Groups of equally many rows, by prediction.
RESIDUAL_GROUPS = 20
#: Quantiles of the residuals that are kept.
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
#: Classes of a confusion table; the rarer classes share one.
CLASSES = 10
OTHERS = "other classes"


@dataclass(frozen=True)
class Roc:
    """A ROC curve: false and true positive rates, from (0, 0) to (1, 1)."""

    model: str
    area: Number
    points: list[list[float]]


@dataclass(frozen=True)
class Bin:
    """The rows whose probability lies in a bin: their mean probability and their share of positives."""

    low: float
    high: float
    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class ResidualGroup:
    """Rows of about the same prediction, and the deciles 1, 5 and 9 of label minus prediction."""

    rows: int
    predicted: float
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Confusion:
    """For the rows of each class (a line), the share for which each class was predicted (a column)."""

    classes: list[str]
    rows: list[int]
    shares: list[list[float]]


@dataclass(frozen=True)
class Curves(JsonDocument):
    """The data of all plots; None where the task has no such plot, or a prediction is not finite.

    Attributes
    ----------
    intervals
        Both ends of the challenger's interval by metric, where it is defined.
    confidence
        Confidence of these intervals.
    residual_quantiles
        Label minus prediction at each of QUANTILES, by the quantile.
    """

    intervals: dict[str, list[Number]]
    confidence: float
    roc: list[Roc] | None = None
    calibration: list[Bin] | None = None
    residuals: list[ResidualGroup] | None = None
    residual_quantiles: dict[str, float] | None = None
    confusion: Confusion | None = None


def measure_curves(
    metric: Metric,
    y_true: np.ndarray,
    days: np.ndarray,
    challenger: np.ndarray,
    champion: np.ndarray | None = None,
    *,
    rounds: int,
    confidence: float,
    seed: int,
    classes: Sequence[object] | None = None,
) -> Curves:
    """Return the data of the plots of the challenger, with the champion's ROC curve beside its own.

    Parameters
    ----------
    y_true, challenger, champion
        Labels and predictions of the held-out rows, as `Metric.value` takes them; None without a champion.
    days
        The day of each row, of shape (n_rows,).
    classes
        The labels that the codes of `y_true` stand for, for several classes.
    """
    import numpy as np

    y_pred = np.asarray(challenger, dtype="float64")
    if not len(y_true) or not np.isfinite(y_pred).all() or not np.isfinite(y_true).all():
        return Curves({}, confidence)
    intervals = metric_intervals(metric, y_true, days, y_pred, rounds=rounds, confidence=confidence, seed=seed)
    if metric.task == "binary":
        both = {"challenger": y_pred} | ({} if champion is None else {"champion": np.asarray(champion, "float64")})
        roc = [curve for name, each in both.items() if (curve := _roc(name, y_true, each)) is not None]
        return Curves(intervals, confidence, roc=roc or None, calibration=_calibration_bins(y_true, y_pred))
    if metric.task == "multiclass":
        names = [str(each) for each in (range(y_pred.shape[1]) if classes is None else classes)]
        return Curves(intervals, confidence, confusion=_confusion(y_true.astype("int64"), y_pred.argmax(axis=1), names))
    quantiles = np.quantile(y_true - y_pred, QUANTILES)
    by_share = {f"{share:g}": float(value) for share, value in zip(QUANTILES, quantiles, strict=True)}
    return Curves(intervals, confidence, residuals=_residual_groups(y_true, y_pred), residual_quantiles=by_share)


def metric_intervals(
    metric: Metric,
    y_true: np.ndarray,
    days: np.ndarray,
    predicted: np.ndarray,
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> dict[str, list[Number]]:
    """Return the percentile interval of each metric of the task, by a bootstrap over days.

    A metric that is not defined has no interval. With a single day there are none, since it says nothing of noise.
    """
    import numpy as np

    unique, day = np.unique(days, return_inverse=True)
    if len(unique) < 2:
        return {}
    resamples, intervals = day_resamples(len(unique), rounds, seed), {}
    for name in METRICS[metric.task]:
        one = replace(metric, name=name)
        if math.isfinite(one.value(y_true, predicted)):
            low, high = percentile_interval(one.on_resamples(y_true, predicted, day)(resamples), confidence)
            if math.isfinite(low):
                intervals[name] = [low, high]
    return intervals


def _roc(model: str, y_true: np.ndarray, scores: np.ndarray) -> Roc | None:
    """Return a curve of at most ROC_POINTS points, about evenly spaced along it."""
    import numpy as np
    from sklearn.metrics import auc, roc_curve

    if len(np.unique(y_true)) < 2 or not np.isfinite(scores).all():
        return None
    false, true, _ = roc_curve(y_true, scores)
    area = float(auc(false, true))
    if len(false) > ROC_POINTS:
        along = np.append(0, np.cumsum(np.hypot(np.diff(false), np.diff(true))))
        kept = np.searchsorted(along, np.linspace(0, along[-1], ROC_POINTS)).clip(max=len(along) - 1)
        kept = np.unique(np.append(kept[:-1], len(along) - 1))
        false, true = false[kept], true[kept]
    return Roc(model, area, [[round(float(x), 5), round(float(y), 5)] for x, y in zip(false, true, strict=True)])


def _calibration_bins(y_true: np.ndarray, y_pred: np.ndarray) -> list[Bin] | None:
    """Return the bins of the calibration error that have rows."""
    import numpy as np

    if y_pred.min() < 0 or y_pred.max() > 1:
        return None
    of_row, width = bin_of_probability(y_pred), 1 / PROBABILITY_BINS
    rows = np.bincount(of_row, minlength=PROBABILITY_BINS)
    predicted = np.bincount(of_row, weights=y_pred, minlength=PROBABILITY_BINS)
    observed = np.bincount(of_row, weights=y_true, minlength=PROBABILITY_BINS)
    return [
        Bin(
            round(at * width, 6),
            round((at + 1) * width, 6),
            int(rows[at]),
            float(predicted[at] / rows[at]),
            float(observed[at] / rows[at]),
        )
        for at in np.flatnonzero(rows)
    ]


def _residual_groups(y_true: np.ndarray, y_pred: np.ndarray) -> list[ResidualGroup]:
    """Return the residuals by groups of about equally many rows, in the order of the predictions."""
    import numpy as np

    order = np.argsort(y_pred, kind="stable")
    groups = [rows for rows in np.array_split(order, min(RESIDUAL_GROUPS, max(1, len(order) // 10))) if len(rows)]
    return [
        ResidualGroup(
            len(rows),
            float(y_pred[rows].mean()),
            *(float(each) for each in np.quantile(y_true[rows] - y_pred[rows], [0.1, 0.5, 0.9])),
        )
        for rows in groups
    ]


def _confusion(y_true: np.ndarray, y_pred: np.ndarray, names: list[str]) -> Confusion:
    import numpy as np

    if len(names) > CLASSES:
        by_rows = np.argsort(-np.bincount(y_true, minlength=len(names)), kind="stable")
        kept = np.sort(by_rows[: CLASSES - 1])
        place = np.full(len(names), CLASSES - 1)
        place[kept] = np.arange(CLASSES - 1)
        y_true, y_pred, names = place[y_true], place[y_pred], [*(names[at] for at in kept), OTHERS]
    size = len(names)
    counts = np.bincount(y_true * size + y_pred, minlength=size * size).reshape(size, size)
    rows = counts.sum(axis=1)
    shares = counts / np.maximum(rows, 1)[:, None]
    return Confusion(names, [int(each) for each in rows], [[float(each) for each in line] for line in shares])
