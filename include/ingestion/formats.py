"""The formats of files, and the errors of a file that is none of them."""

from __future__ import annotations

from include.core.errors import SourceUnreadable

#: How much of a file is held at once; a row may take twice that.
BLOCK_BYTES = 8 * 2**20

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"}

AGAIN = "deliver it again, then run this task again"


def unreadable(place: str, reason: str, remedy: str) -> SourceUnreadable:
    """Return the error of a file: what is wrong with it, and what to do."""
    return SourceUnreadable(f"{place}: {reason}; {remedy}; nothing was published")


def empty(place: str) -> SourceUnreadable:
    """Return the error of a file without anything in it."""
    return unreadable(place, "the file is empty (0 rows and no header)", AGAIN)


def not_a(form: str, place: str, reason: str, encoding: str = "file in UTF-8") -> SourceUnreadable:
    """Return the error of a file that is not of its format."""
    return unreadable(place, f"this is not a {form} {encoding} ({reason})", AGAIN)
