"""What a card consists of, before it is Markdown or HTML; all texts are plain and not escaped."""

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
    """Rows of texts below a heading.

    Attributes
    ----------
    numbers
        Positions of the columns that hold numbers.
    """

    head: list[str]
    rows: list[list[str]]
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plot:
    """A drawing, and the same as a table for where nothing can be drawn.

    Attributes
    ----------
    data
        What the kind's function in `include.reports.card.plots` takes.
    """

    kind: PlotKind
    title: str
    data: Any
    table: Table


Block = Text | Bullets | Facts | Table | Plot


@dataclass(frozen=True)
class Section:
    """A part of a card."""

    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Card:
    """A model card.

    Attributes
    ----------
    verdict
        What the gate came to: promote, keep or inconclusive.
    """

    title: str
    subtitle: str
    verdict: str
    sections: list[Section]
