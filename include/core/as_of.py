"""Which day a moment belongs to: the one rule that ingestion, features, scoring and the monitor share.

All times are UTC. There are two kinds of days, and each moment lies in exactly one of each.

A **calendar day** d is [d 00:00, d+1 00:00). Partitions, the window of a training, its holdout, gap and folds, and
the days of a bootstrap are calendar days.

The run **as of** day d takes place when d has ended. It sees what was known by the midnight that ends d, and answers
the questions after the midnight that begins d, up to and including the midnight that ends it: (d 00:00, d+1 00:00].
What falls on a midnight is on the border of two days, and belongs to the first run that can have it:

- a raw row that became known at d+1 00:00 is seen by the run as of d if its partition is d or older, that is, if its
  delay carried it to midnight; the row of partition d+1 has not been delivered by then, and is first seen as of d+1;
- a question that is asked at d+1 00:00 is answered as of d if what was seen as of d yields it, and otherwise as of d+1
  if what was known at that midnight yields it.
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
    """Return the SQL condition by which the run as of a day sees a raw row, by its `available_at` and `ds`.

    Parameters
    ----------
    delay
        How much later than `available_at` what is read of the row becomes known.
    """
    end = literal(end_of(as_of) - delay)
    return f"available_at <= {end} AND (available_at < {end} OR ds <= {literal(as_of.isoformat())})"
