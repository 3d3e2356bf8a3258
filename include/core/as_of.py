"""Which day a moment belongs to: the rule that ingestion, features, scoring and monitoring share.

All times are UTC. There are two kinds of days, and each moment lies in exactly one of each.

A **calendar day** d is [d 00:00, d+1 00:00). Partitions, the training window, the holdout, gaps and folds, and the
days of a bootstrap are calendar days.

The run **as of** day d takes place when d has ended. It sees the rows that were known by the midnight that ends d. It
makes predictions for the times after the midnight that begins d, up to and including the midnight that ends it:
(d 00:00, d+1 00:00]. A moment at midnight lies on the border of two days and belongs to the first run that can use it:

- the run as of d sees a raw row that became known at d+1 00:00 if its partition is d or older, so that only its delay
  carried it to midnight; a row of partition d+1 has not been delivered by then, and the run as of d+1 sees it first;
- the run as of d predicts a row with the prediction time d+1 00:00 if the rows it sees yield that row; otherwise the
  run as of d+1 does, if the rows known at that midnight yield it.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from include.core.sql_text import literal

if TYPE_CHECKING:
    import numpy as np

ONE_DAY, ONE_MOMENT = timedelta(days=1), timedelta(microseconds=1)


def midnight(day: date) -> datetime:
    """Return the midnight that begins a day, naive and in UTC."""
    return datetime.combine(day, time.min)


def end_of(day: date) -> datetime:
    """Return the midnight that ends a day, naive and in UTC."""
    return midnight(day) + ONE_DAY


def calendar_days(times: np.ndarray) -> np.ndarray:
    """Return the calendar day of each moment (datetime64 in UTC), as datetime64[D]."""
    return times.astype("datetime64[D]")


def seen_condition(as_of: date, delay: timedelta = timedelta(0)) -> str:
    """Return the SQL condition on `available_at` and `ds` that selects the raw rows which the run as of a day sees.

    Parameters
    ----------
    delay
        How much later than `available_at` the columns that are read become known.
    """
    end = literal(end_of(as_of) - delay)
    return f"available_at <= {end} AND (available_at < {end} OR ds <= {literal(as_of.isoformat())})"
