"""Days, as ISO text: what partitions are named by, and how a range of them is told."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta


def days_between(start: date, end: date) -> list[str]:
    """Return the ISO days from `start` to `end`, both inclusive."""
    return [(start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]


def bounds(start: date, end: date) -> tuple[datetime, datetime]:
    """Return the first moment of `start` and the first moment after `end`, in UTC."""
    return datetime.combine(start, time(), UTC), datetime.combine(end + timedelta(days=1), time(), UTC)


def shown_range(start: date, end: date) -> str:
    """Return a range of days as a person writes it."""
    return start.isoformat() if start == end else f"{start.isoformat()} to {end.isoformat()}"


def count_days(days: list[str]) -> str:
    """Return how many days there are, in words."""
    return f"{len(days)} day{'' if len(days) == 1 else 's'}"


def some(names: list[str], limit: int = 3) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
