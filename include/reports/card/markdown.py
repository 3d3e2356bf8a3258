"""A card as Markdown, with tables in the place of plots."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include.reports.card.blocks import Bullets, Facts, Plot, Table, Text

if TYPE_CHECKING:
    from include.reports.card.blocks import Block, Card

#: What has a meaning wherever it stands; an underscore has none within a word.
_MEANS_SOMETHING = re.compile(r"([\\`*\[\]<>|#~&$])|(?<!\w)_|_(?!\w)")


def markdown_card(card: Card) -> str:
    """Return a card as Markdown (GitHub's, for its tables), in which every value is escaped."""
    parts = [f"# {_escaped(card.title)}", _escaped(card.subtitle), f"**Verdict: {_escaped(card.verdict)}**"]
    for section in card.sections:
        parts.append(f"## {_escaped(section.title)}")
        parts += [markdown_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def markdown_block(block: Block) -> str:
    """Return a block as Markdown, in which every value is escaped."""
    if isinstance(block, Text):
        return _paragraph(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_paragraph(line)}" for line in block.lines)
    if isinstance(block, Facts):
        return _table(Table(["", ""], [[name, value] for name, value in block.facts.items()]))
    if isinstance(block, Plot):
        return f"### {_escaped(block.title)}\n\n{_table(block.table)}"
    return _table(block)


def _table(table: Table) -> str:
    lines = [table.head, ["---:" if at in table.numbers else "---" for at in range(len(table.head))]]
    shown = [[_escaped(cell) for cell in lines[0]], lines[1], *([_escaped(cell) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in shown)


def _paragraph(text: str) -> str:
    """Return a paragraph whose first letters make it nothing else, such as a list."""
    return re.sub(r"^(\d*)([-+.)=])", r"\1\\\2", _escaped(text))


def _escaped(text: str) -> str:
    return _MEANS_SOMETHING.sub(r"\\\g<0>", " ".join(text.split()))
