"""Suggestions in error messages: "did you mean"."""

from __future__ import annotations

import unicodedata

from include.core.names import nearest

#: A sentence lists at most this many known values: a wide table has thousands of columns.
LISTED = 100


def did_you_mean(value: str, near: str) -> str:
    """Ask whether another name was meant; names that look the same are shown by their code points."""
    looks_same = unicodedata.normalize("NFC", value).strip() == unicodedata.normalize("NFC", near).strip()
    return f"did you mean {near!a} rather than {value!a}?" if looks_same else f"did you mean '{near}'?"


def unknown_name(what: str, value: str, known: list[str], near: str | None = None) -> str:
    """Say that a value is unknown, list the known ones and suggest one, by default the nearest."""
    near = near or nearest(value, known)
    hint = f"; {did_you_mean(value, near)}" if near else ""
    listed = ", ".join(f"'{name}'" for name in known[:LISTED])
    listed += f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
    return f"there is no {what} '{value}'{hint} (known: {listed or 'none'})"
