"""Permutation importance: how much a model needs each feature, on rows that it was not trained on."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.json_document import JsonDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd

    from include.evaluation.metrics import Metric

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Importance(JsonDocument):
    """How much worse a metric gets without a feature.

    Attributes
    ----------
    mean, std
        Over the repeats, in the unit of the metric. About 0 or below means that the model does not need the feature.
    """

    feature: str
    mean: float
    std: float


@dataclass(frozen=True)
class ChampionImportance:
    """The importance of the champion's features.

    Attributes
    ----------
    version
        Version of the champion.
    metric
        Metric that the importance is in.
    learned_from
        The champion's features; None where its run did not record them.
    features
        Mean and standard deviation by feature; None where the champion's run measured none.
    """

    version: int
    metric: str = ""
    learned_from: list[str] | None = None
    features: dict[str, tuple[float, float]] | None = None


def permutation_importance(
    predict: Callable[[pd.DataFrame], np.ndarray],
    frame: pd.DataFrame,
    y: np.ndarray,
    columns: Sequence[str],
    metric: Metric,
    *,
    repeats: int = 3,
    max_rows: int = 5000,
    seed: int = 0,
    seconds: float = math.inf,
) -> list[Importance]:
    """Return how much worse the metric gets when the values of a column are shuffled over the rows.

    The measure of Breiman, Random Forests, Machine Learning 45 (2001), for any model (Fisher, Rudin and
    Dominici, JMLR 20, 2019). Where two features carry the same information, a model that has one needs the other
    less, so both may seem unimportant. scikit-learn's function is not used: it has no time limit, needs an
    estimator instead of a function, and returns NaN if the metric is undefined in a single repeat.

    Parameters
    ----------
    predict
        Called with `frame` with one column shuffled.
    frame
        Rows that the model was not trained on, with `columns` among its columns.
    y
        Labels of shape (n_rows,), as `Metric.value` takes them.
    repeats
        How often each column is shuffled.
    max_rows
        From more rows a sample is drawn.
    seconds
        Time limit. When it has passed, the results so far are returned; every column is shuffled once before one is
        shuffled again. Columns that were not reached are left out.

    Returns
    -------
    list of Importance
        The most important feature first; empty where the metric is not defined on the rows.
    """
    import numpy as np

    deadline = time.monotonic() + seconds
    draw = np.random.default_rng(seed)
    if len(frame) > max_rows:
        sample = np.sort(draw.choice(len(frame), max_rows, replace=False))
        frame, y = frame.iloc[sample], y[sample]
    whole = metric.value(y, predict(frame)) if len(frame) else math.nan
    if math.isnan(whole):
        log.warning("no feature importance: %s is not defined on the %s rows", metric.name, len(frame))
        return []
    losses: dict[str, list[float]] = {}
    for column in [name for _ in range(repeats) for name in columns]:
        order = draw.permutation(len(frame))
        if time.monotonic() >= deadline:
            if len(losses) < len(columns):
                log.warning(
                    "feature importance covers %d of %d features: its %.0f seconds are over",
                    len(losses),
                    len(columns),
                    seconds,
                )
            break
        # a new column of the same type keeps categories, and leaves the frame itself unchanged
        shuffled = frame.assign(**{column: frame[column].array.take(order)})
        loss = metric.sign * (whole - metric.value(y, predict(shuffled)))
        if not math.isnan(loss):
            losses.setdefault(column, []).append(loss)
    found = [Importance(name, float(np.mean(each)), float(np.std(each))) for name, each in losses.items()]
    return sorted(found, key=lambda each: (-each.mean, each.feature))
