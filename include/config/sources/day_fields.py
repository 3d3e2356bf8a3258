"""The fields of a path or parameter that stand for a day, such as `{ds}` or `{year}/{month}/{day}`."""

from __future__ import annotations

#: Fields that stand for a day or its parts in a path or parameter.
DAY_FIELDS = ("ds", "year", "month", "day")


def with_day(text: str, ds: str) -> str:
    """Fill in the fields of a day in a text, such as `{ds}` or `{year}/{month}/{day}`."""
    for field, value in zip(DAY_FIELDS, (ds, *ds.split("-")), strict=True):
        text = text.replace(f"{{{field}}}", value)
    return text


def names_a_day(text: str) -> bool:
    """Return whether the fields in a text identify one day."""
    named = {field for field in DAY_FIELDS if f"{{{field}}}" in text}
    return "ds" in named or named >= {"year", "month", "day"}
