"""Splits rows by time: what is learned from always lies before what is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from include.core.as_of import calendar_days
from include.training.known_labels import find_labelled_days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    import numpy as np

    from include.config.training import Training


@dataclass(frozen=True)
class Split:
    """Positions of the rows to learn from and of those held out, with the days that they span.

    Attributes
    ----------
    train, holdout
        Positions into the rows, ascending, of labelled rows only; of shape (n_train,) and (n_holdout,).
    train_start, train_end, holdout_start, holdout_end
        ISO days, inclusive; the end of training is the day of its newest row, where there is one.
    lacking
        ISO days that have rows, up to the last one that could be held out, and lack their labels. None of their rows
        is held out.
    """

    train: np.ndarray
    holdout: np.ndarray
    train_start: str
    train_end: str
    holdout_start: str
    holdout_end: str
    lacking: tuple[str, ...] = ()


def split_by_time(
    times: np.ndarray,
    labelled: np.ndarray,
    training: Training,
    through: date,
    groups: np.ndarray | None = None,
    classes: np.ndarray | None = None,
) -> Split:
    """Hold out the last days whose labels are known, and leave a gap before them.

    The gap is as long as a label takes to become known: on the morning of the first held-out day, the
    labels of the days of the gap were not there to learn from. Days that lack their labels are left out of the
    holdout, which reaches further back instead, so that it always has as many days.

    Parameters
    ----------
    times
        Prediction time of each row, datetime64 in UTC, of shape (n_rows,).
    labelled
        True where the label is known, of shape (n_rows,).
    through
        The last day that may be held out.
    groups
        Group of each row, of shape (n_rows,); nothing is learned from the groups of held-out rows.
    classes
        Class of each row as a number from 0 on, of shape (n_rows,), None where there are no classes.
    """
    import numpy as np

    days = calendar_days(times)
    train_start = through + timedelta(days=training.gap_days) - timedelta(days=training.window_days - 1)
    window = (days >= np.datetime64(train_start)) & (days <= np.datetime64(through))
    labels = np.where(labelled, 0 if classes is None else classes, -1)
    found = find_labelled_days(days[window], labels[window])
    lacking = found.days[found.lacking]
    holdout_start, holdout_end = _last_known_days(found.days, lacking, training.holdout_days, train_start, through)
    train_end = holdout_start - timedelta(days=training.gap_days + 1)
    train = labelled & (days >= np.datetime64(train_start)) & (days <= np.datetime64(train_end))
    holdout = labelled & (days >= np.datetime64(holdout_start)) & (days <= np.datetime64(holdout_end))
    holdout &= ~np.isin(days, lacking)
    train = _without_groups_of(holdout, train, groups)
    first = days[train].min() if train.any() else train_start  # history may begin within the window
    return Split(
        train=np.flatnonzero(train),
        holdout=np.flatnonzero(holdout),
        train_start=str(first),
        train_end=str(days[train].max()) if train.any() else train_end.isoformat(),
        holdout_start=holdout_start.isoformat(),
        holdout_end=holdout_end.isoformat(),
        lacking=tuple(lacking.astype(str).tolist()),
    )


def _last_known_days(
    days: np.ndarray, lacking: np.ndarray, count: int, first: date, through: date
) -> tuple[date, date]:
    """Return the range of the last `count` days, those that lack their labels not counted.

    A day without rows counts, as a Sunday of a shop does; at the end it does not where the days before it lack theirs.
    """
    without = set(lacking.tolist())
    known = [day for day in days.tolist() if day not in without]
    end = through
    if known and any(day > known[-1] for day in without):
        end = known[-1]
    start, left = end, count - 1
    while left and start > first:
        start -= timedelta(days=1)
        left -= start not in without
    return (start if start > first else end - timedelta(days=count - 1)), end


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

    days, day_of_row = np.unique(calendar_days(times), return_inverse=True)
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
