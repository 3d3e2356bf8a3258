"""Splits rows by time: training rows are always earlier than the rows that judge the model."""

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
    """Positions of the training rows and of the holdout, with the days they span.

    Attributes
    ----------
    train, holdout
        Positions of labelled rows, ascending, of shape (n_train,) and (n_holdout,).
    train_start, train_end, holdout_start, holdout_end
        ISO days, inclusive; train_end is the day of the newest training row, if there is one.
    lacking
        ISO days that have rows but lack their labels, up to the last day that could be held out. None of their rows is
        in the holdout.
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

    The gap is as long as a label takes to become known: on the morning of the first holdout day, the labels of the gap
    were not yet known. Days that lack their labels are left out of the holdout, which reaches further back instead and
    always has the same number of days.

    Parameters
    ----------
    times
        Prediction time of each row, datetime64 in UTC, of shape (n_rows,).
    labelled
        True where the label is known, of shape (n_rows,).
    through
        Last day that may be held out.
    groups
        Group of each row, of shape (n_rows,); the groups of the holdout are left out of training.
    classes
        Class of each row as a number from 0, of shape (n_rows,); None for other tasks.
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
    first = days[train].min() if train.any() else train_start  # the history may begin within the window
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
    """Return the range of the last `count` days, not counting days that lack their labels.

    A day without rows counts, such as a shop's Sunday, but not at the end if the days before it lack their labels.
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
    """Yield positions to fit on and to validate on, with the gap between them.

    The last fold validates on the last days, each earlier one on the days before. If there are too few days for
    `validation_days` per fold, the days are shared equally.

    Parameters
    ----------
    times
        Prediction time of each row, datetime64, of shape (n_rows,).
    groups
        Group of each row, of shape (n_rows,); a fold does not fit on the groups that it validates on.
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
    """Draw at most `count` rows, ascending; each class keeps its share, and at least one row.

    Parameters
    ----------
    rows
        Positions of shape (n_rows,).
    y
        Encoded class of every position; None for tasks without classes.
    """
    import numpy as np

    if len(rows) <= count:
        return rows
    draw = np.random.default_rng(seed)
    if y is None:
        return np.sort(draw.choice(rows, count, replace=False))
    _, codes, sizes = np.unique(y[rows], return_inverse=True, return_counts=True)
    shares = np.maximum(1, sizes * count // len(rows))
    # the most frequent class absorbs the rounding, and what the rare classes got beyond their share
    shares[np.argmax(sizes)] += count - shares.sum()
    shares = np.clip(shares, 1, sizes)
    parts = [draw.choice(rows[codes == code], share, replace=False) for code, share in enumerate(shares)]
    return np.sort(np.concatenate(parts))


def _without_groups_of(held: np.ndarray, learned: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return the mask of training rows without the groups of the held-out rows."""
    import numpy as np
    import pandas as pd

    if groups is None:
        return learned
    numbers, _ = pd.factorize(groups)  # comparing numbers is faster than comparing text
    return learned & ~np.isin(numbers, numbers[held])
