"""The file formats, and the errors for a file that cannot be read in its format."""

from __future__ import annotations

from include.core.errors import SourceUnreadable

#: Bytes of a file in memory at once; a row may have twice as many.
BLOCK_BYTES = 8 * 2**20

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"}

AGAIN = "deliver it again, then run this task again"


def unreadable(place: str, reason: str, remedy: str) -> SourceUnreadable:
    """Return an error that says what is wrong with a file and what to do."""
    return SourceUnreadable(f"{place}: {reason}; {remedy}; nothing was published")


def empty(place: str) -> SourceUnreadable:
    """Return the error for an empty file."""
    return unreadable(place, "the file is empty (0 rows and no header)", AGAIN)


def not_a(form: str, place: str, reason: str, encoding: str = "file in UTF-8") -> SourceUnreadable:
    """Return the error for a file that is not of its format."""
    return unreadable(place, f"this is not a {form} {encoding} ({reason})", AGAIN)
