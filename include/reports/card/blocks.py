"""The parts of a card, before they become Markdown or HTML; all texts are plain and not escaped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

PlotKind = Literal["roc", "calibration", "residuals", "confusion", "bars", "swarm"]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: Literal["plain", "soft", "warning"] = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    lines: list[str]


@dataclass(frozen=True)
class Facts:
    """Short values by name."""

    facts: dict[str, str]


@dataclass(frozen=True)
class Table:
    """Rows of texts below a head.

    Attributes
    ----------
    numbers
        Positions of the columns that contain numbers.
    """

    head: list[str]
    rows: list[list[str]]
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plot:
    """A chart, and a table of the same numbers for readers of Markdown.

    Attributes
    ----------
    data
        The argument of the kind's function in `include.reports.card.plots`.
    """

    kind: PlotKind
    title: str
    data: Any
    table: Table


Block = Text | Bullets | Facts | Table | Plot


@dataclass(frozen=True)
class CardSection:
    """A section of a card."""

    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Card:
    """A model card.

    Attributes
    ----------
    verdict
        The gate's verdict: promote, keep or inconclusive.
    """

    title: str
    subtitle: str
    verdict: str
    sections: list[CardSection]
