"""Splits rows by time: what is learned from always lies before what is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    import numpy as np

    from include.training_config import Training


@dataclass(frozen=True)
class Split:
    """Positions of the rows to learn from and of those held out, with the days that they span.

    Attributes
    ----------
    train, holdout
        Positions into the rows, ascending, of labelled rows only; of shape (n_train,) and (n_holdout,).
    train_start, train_end, holdout_start, holdout_end
        ISO days, inclusive; the end of training is the day of its newest row, where there is one.
    """

    train: np.ndarray
    holdout: np.ndarray
    train_start: str
    train_end: str
    holdout_start: str
    holdout_end: str


def split_by_time(
    times: np.ndarray, labelled: np.ndarray, training: Training, through: date, groups: np.ndarray | None = None
) -> Split:
    """Hold out the last days whose labels are known, and leave a gap before them.

    The gap is as long as a label takes to become known: on the morning of the first held-out day, the
    labels of the days of the gap were not there to learn from.

    Parameters
    ----------
    times
        Prediction time of each row, datetime64 in UTC, of shape (n_rows,).
    labelled
        True where the label is known, of shape (n_rows,).
    through
        The last day of the holdout.
    groups
        Group of each row, of shape (n_rows,); nothing is learned from the groups of held-out rows.
    """
    import numpy as np

    days = times.astype("datetime64[D]")
    holdout_start = through - timedelta(days=training.holdout_days - 1)
    train_end = holdout_start - timedelta(days=training.gap_days + 1)
    train_start = through + timedelta(days=training.gap_days) - timedelta(days=training.window_days - 1)
    train = labelled & (days >= np.datetime64(train_start)) & (days <= np.datetime64(train_end))
    holdout = labelled & (days >= np.datetime64(holdout_start)) & (days <= np.datetime64(through))
    train = _without_groups_of(holdout, train, groups)
    first = days[train].min() if train.any() else train_start  # history may begin within the window
    return Split(
        train=np.flatnonzero(train),
        holdout=np.flatnonzero(holdout),
        train_start=str(first),
        train_end=str(days[train].max()) if train.any() else train_end.isoformat(),
        holdout_start=holdout_start.isoformat(),
        holdout_end=through.isoformat(),
    )


def time_ordered_folds(
    times: np.ndarray, folds: int, gap_days: int, validation_days: int, groups: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions to fit on and to validate on, the validation days always after the gap.

    The last fold validates on the last days, each earlier one on the days before. Where there are too
    few days for `validation_days` a fold, the days are shared equally.

    Parameters
    ----------
    times
        Prediction time of each row, datetime64, of shape (n_rows,).
    groups
        Group of each row, of shape (n_rows,); a fold is not fitted on the groups that it validates on.
    """
    import numpy as np
    from sklearn.model_selection import TimeSeriesSplit

    days, day_of_row = np.unique(times.astype("datetime64[D]"), return_inverse=True)
    size = max(1, min(validation_days, (len(days) - gap_days) // (folds + 1)))
    for fit, validate in TimeSeriesSplit(n_splits=folds, test_size=size, gap=gap_days).split(days):
        held = np.isin(day_of_row, validate)
        learned = _without_groups_of(held, np.isin(day_of_row, fit), groups)
        yield np.flatnonzero(learned), np.flatnonzero(held)


def draw_sample(rows: np.ndarray, count: int, y: np.ndarray | None, seed: int | np.random.Generator) -> np.ndarray:
    """Draw at most `count` of some rows, ascending; with classes each keeps its share, and at least one row.

    Parameters
    ----------
    rows
        Positions of shape (n_rows,).
    y
        Encoded class of every position, None where there are no classes.
    """
    import numpy as np

    if len(rows) <= count:
        return rows
    draw = np.random.default_rng(seed)
    if y is None:
        return np.sort(draw.choice(rows, count, replace=False))
    _, codes, sizes = np.unique(y[rows], return_inverse=True, return_counts=True)
    shares = np.maximum(1, sizes * count // len(rows))
    # what rounding left over goes to the most frequent class, as does what the rare ones took
    shares[np.argmax(sizes)] += count - shares.sum()
    shares = np.clip(shares, 1, sizes)
    parts = [draw.choice(rows[codes == code], share, replace=False) for code, share in enumerate(shares)]
    return np.sort(np.concatenate(parts))


def _without_groups_of(held: np.ndarray, learned: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return which rows are learned from, without those whose group is among the held-out rows'."""
    import numpy as np
    import pandas as pd

    if groups is None:
        return learned
    numbers, _ = pd.factorize(groups)  # text would be compared one by one
    return learned & ~np.isin(numbers, numbers[held])
