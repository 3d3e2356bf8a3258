"""A card as a self-contained HTML page, with no script and nothing loaded from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core.html_page import render_html
from include.reports.card.plots import draw

if TYPE_CHECKING:
    from include.reports.card.blocks import Block, Card, Table

#: Cells with at most this many characters are not broken into lines.
SHORT = 18
_OUTCOMES = {"pass", "fail", "broken", "warn", "inconclusive", "not applicable"}


def html_card(card: Card) -> str:
    """Return a card as an HTML page."""
    return render_html(
        "reports/templates/model_card.html.jinja", card=card, block_kind=_block_kind, cell_class=_cell_class, draw=draw
    )


def _block_kind(block: Block) -> str:
    return type(block).__name__


def _cell_class(table: Table, column: int, text: str) -> str:
    """Return the classes of a cell: how it is set, and its colour where it is the outcome of a check."""
    layout = "number" if column in table.numbers else "short" if len(text) <= SHORT else "long"
    is_outcome = table.head[column] == "outcome" and text in _OUTCOMES
    return f"{layout} {text.replace(' ', '-')}" if is_outcome else layout
