"""A card as Markdown, with tables instead of charts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include.reports.card.blocks import Bullets, Facts, Plot, Table, Text

if TYPE_CHECKING:
    from include.reports.card.blocks import Block, Card

#: Characters with a meaning in Markdown; an underscore has none within a word.
_SPECIAL = re.compile(r"([\\`*\[\]<>|#~&$])|(?<!\w)_|_(?!\w)")


def markdown_card(card: Card) -> str:
    """Return a card as GitHub's Markdown, which has tables, with every value escaped."""
    parts = [f"# {_escaped(card.title)}", _escaped(card.subtitle), f"**Verdict: {_escaped(card.verdict)}**"]
    for section in card.sections:
        parts.append(f"## {_escaped(section.title)}")
        parts += [markdown_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def markdown_block(block: Block) -> str:
    """Return a block as Markdown with every value escaped."""
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
    head, *rows = [[_escaped(cell) for cell in row] for row in (table.head, *table.rows)]
    rule = ["---:" if column in table.numbers else "---" for column in range(len(table.head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _paragraph(text: str) -> str:
    """Return an escaped paragraph whose first characters do not start a list or a heading."""
    return re.sub(r"^(\d*)([-+.)=])", r"\1\\\2", _escaped(text))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
