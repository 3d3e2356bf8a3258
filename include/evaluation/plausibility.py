"""Whether a model is too good to be true: how much of the label its strongest single feature explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from include.config.training import Task

#: Maximum number of rows to measure on; more are sampled by the seed.
MAX_ROWS = 20_000
#: Distinct values of a feature; numbers are grouped by quantiles, and the rarer categories form one group.
VALUES = 200


@dataclass(frozen=True)
class Plausibility:
    """How much of the label the strongest single feature explains on the holdout.

    Attributes
    ----------
    feature
        The strongest feature; None without features.
    explained
        Share of the label's variance that the values of the feature explain. The label is taken as ranks of numbers,
        or as classes of equal weight, however rare. Each row is predicted from the other rows with its value, so that
        chance explains nothing: 1 where the feature determines the label, 0 or less where it is useless.
    challenger
        The same for the challenger's predictions.
    """

    feature: str | None
    explained: Number
    challenger: Number


def measure_plausibility(
    task: Task, frame: pd.DataFrame, features: Sequence[str], y_true: np.ndarray, predictions: np.ndarray, seed: int
) -> Plausibility:
    """Find the feature that alone explains most of the label.

    Parameters
    ----------
    frame
        The held-out rows, with the features.
    y_true
        Labels of shape (n_rows,): 0 or 1, codes of classes, or values.
    predictions
        Predictions of shape (n_rows,), or (n_rows, n_classes).
    """
    import numpy as np

    rows = len(y_true)
    kept = np.sort(np.random.default_rng(seed).choice(rows, MAX_ROWS, replace=False)) if rows > MAX_ROWS else None
    if kept is not None:
        frame, y_true, predictions = frame.iloc[kept], y_true[kept], predictions[kept]
    label, weights = _targets(task, y_true)
    shares = {name: _explained_share(_groups(frame[name]), label, weights) for name in features}
    best = max(shares, key=lambda name: -np.inf if np.isnan(shares[name]) else shares[name], default=None)
    predicted = np.asarray(predictions.argmax(axis=1) if predictions.ndim == 2 else predictions, dtype="float64")
    finite = bool(np.isfinite(np.asarray(predictions, dtype="float64")).all())
    return Plausibility(
        best,
        explained=shares[best] if best is not None else float("nan"),
        challenger=_explained_share(_codes(predicted), label, weights) if finite else float("nan"),
    )


def _targets(task: Task, y_true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns whose variance is to be explained, one for each class, and the weight of each row."""
    import numpy as np
    from scipy.stats import rankdata

    if task not in ("binary", "multiclass"):
        # otherwise a few large values would have nearly all of the variance, within one quantile
        return rankdata(y_true)[:, None], np.ones(len(y_true))
    classes, codes, sizes = np.unique(y_true, return_inverse=True, return_counts=True)
    # otherwise a group that contains a rare class would mostly consist of other rows
    return (y_true[:, None] == classes[None, :]).astype("float64"), 1 / sizes[codes]


def _groups(values: pd.Series) -> np.ndarray:
    """Return the group number of each row; missing values form a group."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values.dtype):
        return _codes(values.to_numpy("float64", na_value=np.nan))
    codes, uniques = pd.factorize(values)
    if len(uniques) < VALUES:
        return codes + 1
    frequent = np.argsort(-np.bincount(codes + 1, minlength=len(uniques) + 1), kind="stable")[:VALUES]
    position = np.full(len(uniques) + 1, VALUES)
    position[frequent] = np.arange(len(frequent))
    return position[codes + 1]


def _codes(numbers: np.ndarray) -> np.ndarray:
    """Return the quantile number of each value; few distinct values are groups of their own."""
    import numpy as np

    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return np.zeros(len(numbers), dtype="int64")
    few = np.unique(known)
    edges = few if len(few) <= VALUES else np.unique(np.quantile(known, np.linspace(0, 1, VALUES + 1)[1:]))
    codes = np.searchsorted(edges, numbers, side="left")
    return np.where(np.isfinite(numbers), codes, len(edges) + 1)


def _explained_share(groups: np.ndarray, label: np.ndarray, weights: np.ndarray) -> float:
    """Return the share of the label's variance explained by the mean of the other rows in each row's group."""
    import numpy as np

    if len(label) < 2:
        return float("nan")
    weight = weights[:, None]
    everywhere = (weight * label).sum(axis=0)
    total = float((weight * (label - everywhere / weight.sum()) ** 2).sum())
    if np.isclose(total, 0):
        return float("nan")
    alone = (np.bincount(groups)[groups] <= 1)[:, None]
    sums = np.column_stack([np.bincount(groups, weights=column)[groups] for column in (weight * label).T])
    others = np.bincount(groups, weights=weights)[groups][:, None] - weight
    # a row that is alone in its group is predicted by the mean of all other rows
    mean = np.where(
        alone,
        (everywhere - weight * label) / (weight.sum() - weight),
        (sums - weight * label) / np.where(alone, 1, others),
    )
    return float(1 - (weight * (label - mean) ** 2).sum() / total)
