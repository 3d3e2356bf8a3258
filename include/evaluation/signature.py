"""Signatures: the features that challenger and champion take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal["number", "text"]


@dataclass(frozen=True)
class Signature:
    """The features of the challenger, and how they differ from the champion's.

    Attributes
    ----------
    features
        The kind of each feature, by its name.
    added
        Features that only the challenger takes; this and the other differences are None without a champion.
    missing
        Features that only the champion takes.
    changed
        Features that both take, as different kinds.
    """

    features: dict[str, Kind]
    added: list[str] | None = None
    missing: list[str] | None = None
    changed: list[str] | None = None


def feature_kinds(numeric: Iterable[str], categorical: Iterable[str]) -> dict[str, Kind]:
    """Return the kind of each feature, by its name."""
    numbers: dict[str, Kind] = dict.fromkeys(numeric, "number")
    return numbers | dict.fromkeys(categorical, "text")


def compare_signatures(challenger: Mapping[str, Kind], champion: Mapping[str, Kind] | None) -> Signature:
    """Compare the features of two models, each given by `feature_kinds`; None without a champion."""
    if champion is None:
        return Signature(dict(challenger))
    return Signature(
        dict(challenger),
        added=[name for name in challenger if name not in champion],
        missing=[name for name in champion if name not in challenger],
        changed=[name for name, kind in challenger.items() if champion.get(name, kind) != kind],
    )
