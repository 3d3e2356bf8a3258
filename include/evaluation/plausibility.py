"""Whether a model is too good to be true: a leak shows as a feature that alone explains the label, or as a jump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from include.config.training import Task

#: Rows that the features are looked at on, drawn by the seed.
MAX_ROWS = 20_000
#: Values of a feature that are told apart; numbers by their quantiles, rarer categories together.
VALUES = 200


@dataclass(frozen=True)
class Plausibility:
    """How much of the label the strongest single feature explains on the holdout.

    Attributes
    ----------
    feature
        The strongest one; None where there is none.
    explained
        The share of the label's variance that the feature's values explain: of a number's ranks, or of classes that
        weigh alike however rare they are. A row is told from the other rows of its value, so that chance explains
        nothing; 1 where the feature tells the label, 0 or less where it tells nothing.
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
    label, weights = _targets(task, y_true)
    found = {name: _explained(_groups(frame[name]), label, weights) for name in features}
    best = max(found, key=lambda name: -np.inf if np.isnan(found[name]) else found[name], default=None)
    of_model = predictions.argmax(axis=1) if predictions.ndim == 2 else predictions
    whole = bool(np.isfinite(np.asarray(predictions, dtype="float64")).all())
    return Plausibility(
        best,
        found[best] if best is not None else float("nan"),
        _explained(_codes(np.asarray(of_model, dtype="float64")), label, weights) if whole else float("nan"),
    )


def _targets(task: Task, y_true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels as columns whose variance is explained, classes as one column each, and each row's weight."""
    import numpy as np
    from scipy.stats import rankdata

    if task not in ("binary", "multiclass"):
        # a few large values would have nearly all of the variance, and no quantile tells them apart
        return rankdata(y_true)[:, None], np.ones(len(y_true))
    classes, codes, sizes = np.unique(y_true, return_inverse=True, return_counts=True)
    # the group of a rare class has mostly others, even where a feature tells it
    return (y_true[:, None] == classes[None, :]).astype("float64"), 1 / sizes[codes]


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


def _explained(groups: np.ndarray, label: np.ndarray, weights: np.ndarray) -> float:
    """Return the share of the label's variance that the mean of the other rows of a row's group explains."""
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
    # a row that is alone in its group is told by nothing but the mean of all others
    mean = np.where(
        alone,
        (everywhere - weight * label) / (weight.sum() - weight),
        (sums - weight * label) / np.where(alone, 1, others),
    )
    return float(1 - (weight * (label - mean) ** 2).sum() / total)
