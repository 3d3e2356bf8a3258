"""Contributions of any model, by asking it what it predicts of rows that are mixed from two."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from include.training.contributions import Contributions, Unit
from include.training.fit import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.training import Training

#: Mixed rows that are predicted in all, which bounds what an explanation costs, and at once, which bounds memory.
PREDICTED_ROWS, ROWS_AT_ONCE = 200_000, 25_000
#: Orders of the features that are drawn at most.
MAX_WALKS = 400
#: Of a slow model no more orders are walked when so many seconds have passed; it adds up all the same.
MAX_SECONDS = 20.0

log = logging.getLogger(__name__)


def sampled_contributions(
    model: Model,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    training: Training,
    classes: Sequence[Any] | None,
    seed: int,
) -> Contributions:
    """Return an estimate of the Shapley values of a model's predictions, as probabilities or values.

    A walk starts at a row of the background and takes over one value of the row after the other, in a drawn order;
    what the prediction changes by is due to that feature (Strumbelj and Kononenko, Explaining prediction models and
    individual predictions with feature contributions, Knowledge and Information Systems 41, 2014). Each order is
    walked from its end as well, which halves the noise at no cost (Mitchell, Cooper, Frank and Holmes, Sampling
    permutations for Shapley value estimation, JMLR 23, 2022). Base and contributions add up to the prediction
    whatever the number of walks.

    Of several classes it is the probability of the class that a row is most likely of.
    """
    import numpy as np
    import pandas as pd

    names = [str(name) for name in model.feature_names_in_]
    predicted = predict(model, rows, training, classes)
    told = predicted.argmax(axis=1) if predicted.ndim == 2 else np.zeros(len(rows), dtype="int64")
    prediction = predicted[np.arange(len(rows)), told] if predicted.ndim == 2 else predicted
    steps, count = len(names) + 1, len(rows)
    draw = np.random.default_rng(seed)
    walks = max(2, min(MAX_WALKS, PREDICTED_ROWS // max(1, steps * count)) // 2 * 2)
    both = pd.concat([rows[names], background[names]], ignore_index=True)
    starts = count + _turns(draw, len(background), walks // 2)
    orders = draw.permuted(np.tile(np.arange(len(names)), (walks // 2, 1)), axis=1)
    # how far into a walk each feature changes, forward and from the end; both walks start at the same row
    ranks = np.argsort(orders, axis=1)
    ranks = np.stack([ranks, len(names) - 1 - ranks], axis=1).reshape(walks, len(names))
    starts = np.repeat(starts, 2)
    walked, deadline = 0, time.monotonic() + MAX_SECONDS
    added, base = np.zeros((count, len(names))), np.zeros(count)
    at_once = max(1, ROWS_AT_ONCE // max(1, steps * count))
    for first in range(0, walks, at_once):
        if walked and time.monotonic() >= deadline:
            log.warning("contributions were sampled for %.0f seconds: %d of %d walks", MAX_SECONDS, walked, walks)
            break
        rank, start = ranks[first : first + at_once], starts[first : first + at_once]
        mixed = _mixed(both, names, rank, start, count)
        found = predict(model, mixed, training, classes)
        if found.ndim == 2:
            found = found[np.arange(len(found)), np.tile(told, len(rank) * steps)]
        found = found.reshape(len(rank), steps, count)
        walked += len(rank)
        base += found[:, 0].sum(axis=0)
        changes = np.diff(found, axis=1)  # by step
        added += np.take_along_axis(changes, rank[:, :, None], axis=1).sum(axis=0).T  # by feature
    values = {name: added[:, at] / walked for at, name in enumerate(names)}
    unit: Unit = "probability" if training.classifies else "value"
    return Contributions(base / walked, values, prediction, unit, "sampled Shapley values")


def _mixed(both: pd.DataFrame, names: list[str], rank: np.ndarray, start: np.ndarray, count: int) -> pd.DataFrame:
    """Return the rows of some walks: by walk, then by step, then by row.

    Parameters
    ----------
    both
        The rows, and behind them the background.
    rank
        After which step each feature is the row's own, of shape (n_walks, n_features).
    start
        Position in `both` of each walk's background row, of shape (n_walks,).
    """
    import numpy as np
    import pandas as pd

    step = np.arange(len(names) + 1)
    columns = {}
    for at, name in enumerate(names):
        own = step[None, :] > rank[:, at, None]
        position = np.where(own[:, :, None], np.arange(count), start[:, None, None])
        columns[name] = both[name].array.take(position.ravel())
    return pd.DataFrame(columns, index=range(len(rank) * len(step) * count))


def _turns(draw: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Return positions 0 to size - 1 in drawn order, each as often as the others but for one."""
    import numpy as np

    return np.concatenate([draw.permutation(size) for _ in range(-(-count // size))])[:count]
