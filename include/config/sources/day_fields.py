"""The fields of a path or parameter that stand for a day, such as `{ds}` or `{year}/{month}/{day}`."""

from __future__ import annotations

#: What stands for the day in a path or a parameter, and for its parts.
DAY_FIELDS = ("ds", "year", "month", "day")


def with_day(text: str, ds: str) -> str:
    """Return a text with the fields of a day filled in, such as `{ds}` or `{year}/{month}/{day}`."""
    for field, value in zip(DAY_FIELDS, (ds, *ds.split("-")), strict=True):
        text = text.replace(f"{{{field}}}", value)
    return text


def names_a_day(text: str) -> bool:
    """Return whether a text has the fields that tell one day from all others."""
    named = {field for field in DAY_FIELDS if f"{{{field}}}" in text}
    return "ds" in named or named >= {"year", "month", "day"}
