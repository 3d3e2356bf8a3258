"""Sampled contributions: of any model, from its predictions of rows that mix the row with background rows."""

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

#: Maximum number of mixed rows to predict: in total, which limits the cost, and at once, which limits the memory.
PREDICTED_ROWS, ROWS_AT_ONCE = 200_000, 25_000
#: Maximum number of walks, each with its own order of the features.
MAX_WALKS = 400
#: After so many seconds no further walk begins; the contributions add up all the same.
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

    A walk starts at a background row and replaces its values by those of the explained row, one feature after the
    other in random order. Each change of the prediction is that feature's contribution (Strumbelj and Kononenko,
    Explaining prediction models and individual predictions with feature contributions, Knowledge and Information
    Systems 41, 2014). Each order is also walked backwards, which halves the noise at no cost (Mitchell, Cooper, Frank
    and Holmes, Sampling permutations for Shapley value estimation, JMLR 23, 2022). Base plus contributions equals the
    prediction for any number of walks.

    A multiclass prediction is explained by the probability of the row's most likely class.
    """
    import numpy as np
    import pandas as pd

    names = [str(name) for name in model.feature_names_in_]
    predicted = predict(model, rows, training, classes)
    top_class = predicted.argmax(axis=1) if predicted.ndim == 2 else np.zeros(len(rows), dtype="int64")
    prediction = predicted[np.arange(len(rows)), top_class] if predicted.ndim == 2 else predicted
    steps, count = len(names) + 1, len(rows)
    draw = np.random.default_rng(seed)
    walks = max(2, min(MAX_WALKS, PREDICTED_ROWS // max(1, steps * count)) // 2 * 2)
    both = pd.concat([rows[names], background[names]], ignore_index=True)
    starts = count + _draw_in_turn(draw, len(background), walks // 2)
    orders = draw.permuted(np.tile(np.arange(len(names)), (walks // 2, 1)), axis=1)
    # the step at which each feature changes, walked forwards and backwards; both walks start at the same row
    ranks = np.argsort(orders, axis=1)
    ranks = np.stack([ranks, len(names) - 1 - ranks], axis=1).reshape(walks, len(names))
    starts = np.repeat(starts, 2)
    walked, deadline = 0, time.monotonic() + MAX_SECONDS
    added, base = np.zeros((count, len(names))), np.zeros(count)
    at_once = max(1, ROWS_AT_ONCE // max(1, steps * count))
    for first in range(0, walks, at_once):
        if walked and time.monotonic() >= deadline:
            log.warning(
                "contributions are less precise: %.0f seconds were enough for %d of %d walks",
                MAX_SECONDS,
                walked,
                walks,
            )
            break
        rank, start = ranks[first : first + at_once], starts[first : first + at_once]
        mixed = _mix_rows(both, names, rank, start, count)
        found = predict(model, mixed, training, classes)
        if found.ndim == 2:
            found = found[np.arange(len(found)), np.tile(top_class, len(rank) * steps)]
        found = found.reshape(len(rank), steps, count)
        walked += len(rank)
        base += found[:, 0].sum(axis=0)
        changes = np.diff(found, axis=1)  # by step
        added += np.take_along_axis(changes, rank[:, :, None], axis=1).sum(axis=0).T  # by feature
    values = {name: added[:, at] / walked for at, name in enumerate(names)}
    unit: Unit = "probability" if training.classifies else "value"
    return Contributions(base / walked, values, prediction, unit, "sampled Shapley values")


def _mix_rows(both: pd.DataFrame, names: list[str], rank: np.ndarray, start: np.ndarray, count: int) -> pd.DataFrame:
    """Return the rows of some walks, sorted by walk, then step, then row.

    Parameters
    ----------
    both
        The explained rows, followed by the background.
    rank
        The step after which each feature has the value of the explained row, of shape (n_walks, n_features).
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


def _draw_in_turn(draw: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Return positions 0 to size - 1 in random order, each equally often up to a difference of one."""
    import numpy as np

    return np.concatenate([draw.permutation(size) for _ in range(-(-count // size))])[:count]
