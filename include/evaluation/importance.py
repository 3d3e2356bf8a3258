"""Importance: what each feature is worth to a model, on rows that it has not learned from."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd

    from include.evaluation.metrics import Metric

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Importance:
    """By how much a metric gets worse without a feature.

    Attributes
    ----------
    mean, std
        Over the repeats, in the metric's own unit. About 0, or below, is a feature that the model does without.
    """

    feature: str
    mean: float
    std: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class ChampionImportance:
    """What the features are worth to the champion.

    Attributes
    ----------
    version
        The champion's.
    metric
        In whose unit the importance is.
    learned_from
        The champion's features; None where its run did not record them.
    features
        Mean and standard deviation by feature; None where the champion's run did not measure any.
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
    measure: Metric,
    *,
    repeats: int = 3,
    max_rows: int = 5000,
    seed: int = 0,
    seconds: float = math.inf,
) -> list[Importance]:
    """Return by how much the metric gets worse when the values of a column are shuffled over the rows.

    The measure of Breiman, Random Forests, Machine Learning 45 (2001), for any model (Fisher, Rudin and
    Dominici, JMLR 20, 2019). Of two features that say the same, a model that has one needs the other less, so
    both may seem worth little. scikit-learn's own function is not used: it has no bound on its time, takes an
    estimator where there is a function here, and lets a metric that is not defined spoil the mean.

    Parameters
    ----------
    predict
        Called with `frame` of which one column is shuffled.
    frame
        Rows that the model has not learned from, with `columns` among its columns.
    y
        Labels of shape (n_rows,), as the measure takes them.
    repeats
        How often each column is shuffled.
    max_rows
        Of more rows a sample is taken.
    seconds
        When they have passed, what was measured until then is returned; each column is shuffled once before one
        is shuffled again. Columns that were not reached are left out.

    Returns
    -------
    list of Importance
        The most important feature first; none where the metric is not defined on the rows.
    """
    import numpy as np

    deadline = time.monotonic() + seconds
    draw = np.random.default_rng(seed)
    if len(frame) > max_rows:
        sample = np.sort(draw.choice(len(frame), max_rows, replace=False))
        frame, y = frame.iloc[sample], y[sample]
    whole = measure.value(y, predict(frame)) if len(frame) else math.nan
    if math.isnan(whole):
        log.warning("the importance of features cannot be told: %s has no value on %s rows", measure.metric, len(frame))
        return []
    losses: dict[str, list[float]] = {}
    for column in [name for _ in range(repeats) for name in columns]:
        order = draw.permutation(len(frame))
        if time.monotonic() >= deadline:
            if len(losses) < len(columns):
                log.warning(
                    "the importance of features was measured for %.0f seconds, which was enough for %d of %d features",
                    *(seconds, len(losses), len(columns)),
                )
            break
        # a new column of the same type: categories stay categories, and the frame itself stays as it was
        shuffled = frame.assign(**{column: frame[column].array.take(order)})
        loss = measure.sign * (whole - measure.value(y, predict(shuffled)))
        if not math.isnan(loss):
            losses.setdefault(column, []).append(loss)
    found = [Importance(name, float(np.mean(each)), float(np.std(each))) for name, each in losses.items()]
    return sorted(found, key=lambda each: (-each.mean, each.feature))
