"""Whether a model is too good to be true: a leak shows as a feature that alone explains the label, or as a jump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from include.training_config import Task

#: Rows that the features are looked at on, drawn by the seed.
MAX_ROWS = 20_000
#: Values of a feature that are told apart; numbers by their quantiles, rarer categories together.
VALUES = 50


@dataclass(frozen=True)
class Plausibility:
    """How much of the label the strongest single feature explains on the holdout.

    Attributes
    ----------
    feature
        The strongest one; None where there is none.
    explained
        The share of the label's variance (of classes: of its Gini impurity) within the groups that the feature's
        values make, taken from each group's other rows, so that chance explains nothing; 1 where the feature
        tells the label, 0 or less where it tells nothing.
    challenger
        The same for the challenger's predictions.
    """

    feature: str | None
    explained: Number
    challenger: Number


def measure_plausibility(
    task: Task, frame: pd.DataFrame, features: Sequence[str], y_true: np.ndarray, predictions: np.ndarray, seed: int
) -> Plausibility:
    """Find the feature that explains most of the label by itself.

    Parameters
    ----------
    frame
        The held-out rows, with the features.
    y_true
        Labels of shape (n_rows,): 0 or 1, codes of classes, or values.
    predictions
        Of shape (n_rows,), or (n_rows, n_classes).
    """
    import numpy as np

    rows = len(y_true)
    kept = np.sort(np.random.default_rng(seed).choice(rows, MAX_ROWS, replace=False)) if rows > MAX_ROWS else None
    if kept is not None:
        frame, y_true, predictions = frame.iloc[kept], y_true[kept], predictions[kept]
    label = _targets(task, y_true)
    found = {name: _explained(_groups(frame[name]), label) for name in features}
    best = max(found, key=lambda name: -np.inf if np.isnan(found[name]) else found[name], default=None)
    of_model = predictions.argmax(axis=1) if predictions.ndim == 2 else predictions
    whole = bool(np.isfinite(np.asarray(predictions, dtype="float64")).all())
    return Plausibility(
        best,
        found[best] if best is not None else float("nan"),
        _explained(_codes(np.asarray(of_model, dtype="float64")), label) if whole else float("nan"),
    )


def _targets(task: Task, y_true: np.ndarray) -> np.ndarray:
    """Return the labels as columns whose variance is explained: classes as one column each."""
    import numpy as np

    if task != "multiclass":
        return np.asarray(y_true, dtype="float64")[:, None]
    return (y_true[:, None] == np.unique(y_true)[None, :]).astype("float64")


def _groups(values: pd.Series) -> np.ndarray:
    """Return the number of the group of each row; a missing value is a value."""
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
    """Return the number of the quantile of each number; few values are told apart as they are."""
    import numpy as np

    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return np.zeros(len(numbers), dtype="int64")
    few = np.unique(known)
    edges = few if len(few) <= VALUES else np.unique(np.quantile(known, np.linspace(0, 1, VALUES + 1)[1:]))
    codes = np.searchsorted(edges, numbers, side="left")
    return np.where(np.isfinite(numbers), codes, len(edges) + 1)


def _explained(groups: np.ndarray, label: np.ndarray) -> float:
    """Return the share of the label's variance that the mean of the other rows of a row's group explains."""
    import numpy as np

    total = float(((label - label.mean(axis=0)) ** 2).sum())
    if len(label) < 2 or total == 0:
        return float("nan")
    size = np.bincount(groups).astype("float64")[groups][:, None]
    sums = np.column_stack([np.bincount(groups, weights=column)[groups] for column in label.T])
    alone = size <= 1
    # a row that is alone in its group is told by nothing but the mean of all others
    mean = np.where(alone, (label.sum(axis=0) - label) / (len(label) - 1), (sums - label) / np.maximum(size - 1, 1))
    return float(1 - ((label - mean) ** 2).sum() / total)
