"""On which days labels are known: a day on which most of them are missing says nothing of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: A day lacks its labels where it has less than this share of those to expect, and chance leaves so few with this
#: probability at most.
LEAST_SHARE, CHANCE = 0.5, 0.01
#: The same for a class that no label has on the last days, though one row in so many was of it.
CHANCE_OF_CLASS = 0.001


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
    """Return the last days on which no label is of a class that was there, and its rows may be those without a label.

    Labels of one class may become known later than those of another, such as a fraud that is found out.
    """
    import numpy as np

    lacking = np.zeros(len(rows), dtype=bool)
    has_label = labels >= 0
    of_class = np.bincount(labels[has_label])
    last_day = np.full(len(of_class), -1)
    np.maximum.at(last_day, labels[has_label], day_of_row[has_label])
    known_until, rows_until = np.cumsum(known), np.cumsum(rows)
    known_after, rows_after = known_until[-1] - known_until[last_day], rows_until[-1] - rows_until[last_day]
    share = of_class / known_until[last_day]
    # unlabelled rows beyond what is usual
    too_many = (rows_after - known_after) - (1 - usual) * rows_after
    missed = ((1 - share) ** known_after <= CHANCE_OF_CLASS) & (2 * too_many >= share * rows_after) & (of_class > 0)
    if missed.any():
        lacking[last_day[missed].min() + 1 :] = True
    return lacking
