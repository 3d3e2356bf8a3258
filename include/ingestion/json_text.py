"""JSON as sources deliver it, of which no value may be lost without a word."""

from __future__ import annotations

from typing import Any


def only_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields; for `json.loads`, which would keep the last of those that have one name.

    Raises
    ------
    ValueError
        If a name is there twice.
    """
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key '{twice[:60]}' twice")
    return fields
