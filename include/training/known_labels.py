"""Finds the days whose labels are known; a day that lacks most of its labels cannot be judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: A day lacks its labels if it has less than this share of the expected number, and chance alone would leave so few
#: with at most this probability.
LEAST_SHARE, CHANCE = 0.5, 0.01
#: The same for one class that is almost absent from the labels of the last days.
LEAST_OF_CLASS, CHANCE_OF_CLASS = 0.1, 0.001


@dataclass(frozen=True)
class LabelledDays:
    """The days that have rows, and whether they lack their labels.

    Attributes
    ----------
    days
        Ascending, as datetime64[D], of shape (n_days,).
    lacking
        True if most of the labels expected for the day are missing, of shape (n_days,).
    """

    days: np.ndarray
    lacking: np.ndarray


def find_labelled_days(days: np.ndarray, labels: np.ndarray) -> LabelledDays:
    """Return the days and whether they lack their labels, given the usual share of labelled rows.

    Parameters
    ----------
    days
        The day of each row, datetime64[D], of shape (n_rows,).
    labels
        Class of each row as a number from 0, or 0 for all rows if the task has no classes; -1 if the label is unknown.
        Of shape (n_rows,).
    """
    import numpy as np
    from scipy.stats import binom

    found, day_of_row = np.unique(days, return_inverse=True)
    rows = np.bincount(day_of_row, minlength=len(found))
    known = np.bincount(day_of_row, labels >= 0, minlength=len(found)).astype("int64")
    if not known.any():
        return LabelledDays(found, np.zeros(len(found), dtype=bool))
    # a day without any label counts towards the usual share only if chance alone could leave it without one
    some = known > 0
    usual = known[some].sum() / rows[some].sum()
    counted = some | ((1 - usual) ** rows > CHANCE)
    usual = known[counted].sum() / rows[counted].sum()
    lacking = (known < LEAST_SHARE * usual * rows) & (binom.cdf(known, rows, usual) <= CHANCE)
    return LabelledDays(found, lacking | _lack_a_class(day_of_row, labels, rows, known, usual))


def _lack_a_class(
    day_of_row: np.ndarray, labels: np.ndarray, rows: np.ndarray, known: np.ndarray, usual: float
) -> np.ndarray:
    """Return the last days on which a class is almost absent while unlabelled rows could belong to it.

    Labels of one class may become known later than those of another, such as fraud that is discovered.
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
            # earlier days may look affected because the last ones have so few; skip those that have as many as before
            as_before = (of_class > 0) & (binom.cdf(of_class, known, share[first]) > CHANCE)
            first += int((~as_before[first:]).argmax())
            lacking[first:] = True
    return lacking


def _sums(of_day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the totals before each day, and from the day on."""
    import numpy as np

    before = np.cumsum(of_day) - of_day
    return before, of_day.sum() - before
