"""On which days labels are known: a day on which most of them are missing says nothing of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: A day lacks its labels where it has less than this share of those to expect, and chance leaves so few with this
#: probability at most.
LEAST_SHARE, CHANCE = 0.5, 0.01
#: The same for a class that hardly a label has on the last days, though one row in so many was of it.
LEAST_OF_CLASS, CHANCE_OF_CLASS = 0.1, 0.001


@dataclass(frozen=True)
class LabelledDays:
    """The days that have rows, and whether their labels are known.

    Attributes
    ----------
    days
        In order, as datetime64[D], of shape (n_days,).
    lacking
        True where most labels that are to be expected of a day are missing, of shape (n_days,).
    """

    days: np.ndarray
    lacking: np.ndarray


def find_labelled_days(days: np.ndarray, labels: np.ndarray) -> LabelledDays:
    """Return on which days labels are known, beside the share of rows that usually has one.

    Parameters
    ----------
    days
        The day of each row, datetime64[D], of shape (n_rows,).
    labels
        The class of each row as a number from 0 on, 0 for all where there are no classes; -1 where the label is
        unknown. Of shape (n_rows,).
    """
    import numpy as np
    from scipy.stats import binom

    found, day_of_row = np.unique(days, return_inverse=True)
    rows = np.bincount(day_of_row, minlength=len(found))
    known = np.bincount(day_of_row, labels >= 0, minlength=len(found)).astype("int64")
    if not known.any():
        return LabelledDays(found, np.zeros(len(found), dtype=bool))
    # days on which nothing is known tell of what is usual only where chance alone leaves so many without a label
    some = known > 0
    usual = known[some].sum() / rows[some].sum()
    counted = some | ((1 - usual) ** rows > CHANCE)
    usual = known[counted].sum() / rows[counted].sum()
    lacking = (known < LEAST_SHARE * usual * rows) & (binom.cdf(known, rows, usual) <= CHANCE)
    return LabelledDays(found, lacking | _lack_a_class(day_of_row, labels, rows, known, usual))


def _lack_a_class(
    day_of_row: np.ndarray, labels: np.ndarray, rows: np.ndarray, known: np.ndarray, usual: float
) -> np.ndarray:
    """Return the last days on which hardly a label is of a class that was there, which rows without one may be of.

    Labels of one class may become known later than those of another, such as a fraud that is found out.
    """
    import numpy as np
    from scipy.stats import binom

    lacking = np.zeros(len(rows), dtype=bool)
    known_before, known_after = _sums(known)
    _, rows_after = _sums(rows)
    # unlabelled rows beyond what is usual
    too_many = (rows_after - known_after) - (1 - usual) * rows_after
    for number in range(labels.max() + 1):
        of_class = np.bincount(day_of_row, labels == number, minlength=len(rows)).astype("int64")
        before, after = _sums(of_class)
        share = before / np.maximum(known_before, 1)
        missed = (after <= LEAST_OF_CLASS * share * known_after) & (2 * too_many >= share * rows_after) & (before > 0)
        missed &= binom.cdf(after, known_after, share) <= CHANCE_OF_CLASS
        if missed.any():
            first = int(missed.argmax())
            # so few after them let days before seem to be among the last ones
            as_before = (of_class > 0) & (binom.cdf(of_class, known, share[first]) > CHANCE)
            first += int((~as_before[first:]).argmax())
            lacking[first:] = True
    return lacking


def _sums(of_day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many there are before each day, and from it on."""
    import numpy as np

    before = np.cumsum(of_day) - of_day
    return before, of_day.sum() - before
