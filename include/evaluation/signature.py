"""Signature: which features a model takes, beside those that the champion takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal["number", "text"]


@dataclass(frozen=True)
class Signature:
    """What the challenger takes, and how that differs from what the champion takes.

    Attributes
    ----------
    features
        The kind of each feature, by its name.
    added
        Features that the challenger takes and the champion does not; None, as the others, without a champion.
    missing
        Features that the champion takes and the challenger does not.
    changed
        Features that both take, of another kind.
    """

    features: dict[str, Kind]
    added: list[str] | None = None
    missing: list[str] | None = None
    changed: list[str] | None = None


def kinds_of(numeric: Iterable[str], categorical: Iterable[str]) -> dict[str, Kind]:
    """Return the kind of each feature, by its name."""
    numbers: dict[str, Kind] = dict.fromkeys(numeric, "number")
    return numbers | dict.fromkeys(categorical, "text")


def compare_signatures(challenger: Mapping[str, Kind], champion: Mapping[str, Kind] | None) -> Signature:
    """Return what the challenger takes beside the champion; both by `kinds_of`, None where there is no champion."""
    if champion is None:
        return Signature(dict(challenger))
    return Signature(
        dict(challenger),
        added=[name for name in challenger if name not in champion],
        missing=[name for name in champion if name not in challenger],
        changed=[name for name, kind in challenger.items() if champion.get(name, kind) != kind],
    )
