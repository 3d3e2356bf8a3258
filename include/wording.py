"""Wording that error messages share."""

from __future__ import annotations

import difflib


def unknown(what: str, value: str, known: list[str]) -> str:
    """Say that a value is not known, with the nearest known one and all that are."""
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    listed = ", ".join(f"'{name}'" for name in known)
    return f"there is no {what} '{value}'{hint} (known: {listed or 'none'})"
