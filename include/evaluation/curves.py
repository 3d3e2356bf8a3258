"""What a page draws of a model: ROC curves, calibration by bins, residuals, confusion, and the noise of each metric."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from include.config.training import METRICS
from include.evaluation.intervals import percentile_interval
from include.evaluation.numbers import Number, without_nan
from include.evaluation.probability_bins import PROBABILITY_BINS, bin_of_probability
from include.evaluation.resamples import day_resamples, metric_on_resamples

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from include.evaluation.metrics import Metric

#: Points of one ROC curve, of which a page has two.
ROC_POINTS = 100
#: Groups of as many rows, by prediction.
RESIDUAL_GROUPS = 20
#: Quantiles of the residuals that are told.
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
#: Classes of a confusion table; rarer ones share one.
CLASSES = 10
OTHERS = "other classes"


@dataclass(frozen=True)
class Roc:
    """A ROC curve: the share of negatives and of positives that are counted as positive, from (0, 0) to (1, 1)."""

    model: str
    area: Number
    points: list[list[float]]


@dataclass(frozen=True)
class Bin:
    """The rows whose probability lies between two ends: what was predicted on average, and what came of it."""

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
    """Of the rows of each class (a line), the share that each class was predicted for (a column)."""

    classes: list[str]
    rows: list[int]
    shares: list[list[float]]


@dataclass(frozen=True)
class Curves:
    """What there is to draw; None where the task has no such plot, or a prediction is not finite.

    Attributes
    ----------
    intervals
        Ends of the challenger's interval by metric, where it is defined.
    confidence
        Of these intervals.
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

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types; a NaN becomes null."""
        return without_nan(asdict(self))


def measure_curves(
    measure: Metric,
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
    """Return what is drawn of the challenger's predictions, and of the champion's beside them.

    Parameters
    ----------
    y_true, challenger, champion
        Labels and predictions of the held-out rows, as `Metric.value` takes them; no champion is None.
    days
        The day of each row, of shape (n_rows,).
    classes
        The labels that the codes of `y_true` stand for, for several classes.
    """
    import numpy as np

    y_pred = np.asarray(challenger, dtype="float64")
    if not len(y_true) or not np.isfinite(y_pred).all() or not np.isfinite(y_true).all():
        return Curves({}, confidence)
    intervals = metric_intervals(measure, y_true, days, y_pred, rounds=rounds, confidence=confidence, seed=seed)
    if measure.task == "binary":
        both = {"challenger": y_pred} | ({} if champion is None else {"champion": np.asarray(champion, "float64")})
        roc = [found for name, each in both.items() if (found := _roc(name, y_true, each)) is not None]
        return Curves(intervals, confidence, roc=roc or None, calibration=_bins(y_true, y_pred))
    if measure.task == "multiclass":
        names = [str(each) for each in (range(y_pred.shape[1]) if classes is None else classes)]
        return Curves(intervals, confidence, confusion=_confusion(y_true.astype("int64"), y_pred.argmax(axis=1), names))
    quantiles = np.quantile(y_true - y_pred, QUANTILES)
    told = {f"{share:g}": float(value) for share, value in zip(QUANTILES, quantiles, strict=True)}
    return Curves(intervals, confidence, residuals=_residuals(y_true, y_pred), residual_quantiles=told)


def metric_intervals(
    measure: Metric,
    y_true: np.ndarray,
    days: np.ndarray,
    predicted: np.ndarray,
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> dict[str, list[Number]]:
    """Return the percentile interval of each metric of the task, by a bootstrap over days.

    A metric that is not defined has none, nor has any of a single day, which tells nothing of noise.
    """
    import numpy as np

    unique, day = np.unique(days, return_inverse=True)
    if len(unique) < 2:
        return {}
    draws, found = day_resamples(len(unique), rounds, seed), {}
    for metric in METRICS[measure.task]:
        one = replace(measure, metric=metric)
        if math.isfinite(one.value(y_true, predicted)):
            low, high = percentile_interval(metric_on_resamples(one, y_true, predicted, day)(draws), confidence)
            if math.isfinite(low):
                found[metric] = [low, high]
    return found


def _roc(model: str, y_true: np.ndarray, scores: np.ndarray) -> Roc | None:
    """Return a curve of at most ROC_POINTS points, which lie about evenly along it."""
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


def _bins(y_true: np.ndarray, y_pred: np.ndarray) -> list[Bin] | None:
    """Return the bins that the calibration error is measured by, those without a row left out."""
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


def _residuals(y_true: np.ndarray, y_pred: np.ndarray) -> list[ResidualGroup]:
    """Return the residuals of groups of about as many rows, in the order of the predictions."""
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
