"""Wording that error messages share."""

from __future__ import annotations

from include.names import nearest

#: Known values that a sentence lists: a wide table has thousands of columns.
LISTED = 100


def unknown(what: str, value: str, known: list[str], near: str | None = None) -> str:
    """Say that a value is not known, with all that are and the one that was meant, by default the nearest."""
    near = near or nearest(value, known)
    hint = f"; did you mean '{near}'?" if near else ""
    listed = ", ".join(f"'{name}'" for name in known[:LISTED])
    listed += f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
    return f"there is no {what} '{value}'{hint} (known: {listed or 'none'})"
