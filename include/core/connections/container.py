"""What a sentence about a missing file adds in a container, which sees only what is mounted of its machine."""

from __future__ import annotations

from include.core.settings import in_container


def in_this_container() -> str:
    """Return where a file is missing."""
    return " in this container" if in_container() else ""


def or_mount_it() -> str:
    """Return what else can be done about it."""
    return ", or mount it into every worker (docs/how-to/run-the-stack.md)" if in_container() else ""
