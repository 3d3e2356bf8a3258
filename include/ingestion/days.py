"""Days as ISO text, which name partitions, and ranges of days in sentences."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from include.core.errors import ConfigError


def chosen_days(first: date | None, last: date | None, usual: tuple[date, date], today: date) -> tuple[date, date]:
    """Return the first and last day to ingest, both inclusive, from the days that a person named.

    A missing first day defaults to the last day, and a missing last day to yesterday; without both, the range is
    `usual`.

    Parameters
    ----------
    today
        In UTC.

    Raises
    ------
    ConfigError
        If a day has not ended, or the range ends before it starts.
    """
    yesterday = today - timedelta(days=1)
    start, end = first or last or usual[0], last or (yesterday if first else usual[1])
    if start > end or end > yesterday:
        raise ConfigError(
            f"the run's days are {start} to {end}; start must not be after end, and end not after {yesterday}, the "
            "last day that has ended in UTC; start it again with other days"
        )
    return start, end


def days_between(start: date, end: date) -> list[str]:
    """Return the ISO days from `start` to `end`, both inclusive."""
    return [(start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]


def bounds(start: date, end: date) -> tuple[datetime, datetime]:
    """Return the first moment of `start` and the first moment after `end`, in UTC."""
    return datetime.combine(start, time(), UTC), datetime.combine(end + timedelta(days=1), time(), UTC)


def shown_range(start: date, end: date) -> str:
    """Return a range of days as text."""
    return start.isoformat() if start == end else f"{start.isoformat()} to {end.isoformat()}"


def count_days(days: list[str]) -> str:
    """Return the number of days as text."""
    return f"{len(days)} day{'' if len(days) == 1 else 's'}"


def some(names: list[str], limit: int = 3) -> str:
    """Return the first names of a list as text, and how many more follow."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
