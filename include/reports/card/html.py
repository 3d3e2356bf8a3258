"""A card as a page that stands alone: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from include.core.html_page import html_page
from include.reports.card.blocks import Bullets, Facts, Plot, Text
from include.reports.card.plots import STYLE as PLOT_STYLE
from include.reports.card.plots import draw

if TYPE_CHECKING:
    from include.reports.card.blocks import Block, Card, Table

_STYLE = """
body { max-width: 62rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
nav { font-size: .9em; }
nav a { margin-right: .9rem; white-space: nowrap; }
a { color: var(--bar); }
table { font-size: .93em; margin: .5rem 0; width: auto; min-width: 50%; }
.scroll { overflow-x: auto; }
th { text-align: left; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td { overflow-wrap: break-word; }
.long { min-width: 12rem; }
.verdict { display: inline-block; border: 1px solid currentColor; border-radius: .3rem; padding: 0 .5rem; }
.short { white-space: nowrap; }
.promote, .pass { color: var(--good); }
.keep, .inconclusive, .fail, .broken, .warn { color: var(--warn); }
td.fail, td.broken, td.warn, td.inconclusive { font-weight: 600; }
figure { margin: 1rem 0; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
summary { cursor: pointer; opacity: .7; font-size: .9em; width: max-content; }
:root { --good: #2e7d32; }
@media (prefers-color-scheme: dark) { :root { --good: #81c784; } }
@media print { nav, summary { display: none; } }
"""
#: Texts of so many letters are not broken into lines.
SHORT = 18
_OUTCOMES = {"pass", "fail", "broken", "warn", "inconclusive", "not applicable"}


def html_card(card: Card) -> str:
    """Return a card as HTML, in which every value is escaped."""
    names = [f"part-{number}" for number in range(1, len(card.sections) + 1)]
    links = [f'<a href="#{name}">{escape(part.title)}</a>' for name, part in zip(names, card.sections, strict=True)]
    body = [
        f"<header><h1>{escape(card.title)}</h1><p>{escape(card.subtitle)}</p></header>",
        f'<p class="verdict {_word(card.verdict)}">verdict: {escape(card.verdict)}</p>',
        f"<nav>{' '.join(links)}</nav>",
    ]
    for name, section in zip(names, card.sections, strict=True):
        blocks = "\n".join(_block(block) for block in section.blocks)
        body.append(f'<section id="{name}"><h2>{escape(section.title)}</h2>\n{blocks}</section>')
    return html_page(card.title, "\n".join(body), _STYLE + PLOT_STYLE)


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return f'<p class="{block.kind}">{escape(block.text)}</p>'
    if isinstance(block, Bullets):
        return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in block.lines)}</ul>"
    if isinstance(block, Facts):
        told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in block.facts.items())
        return f"<dl>{told}</dl>"
    if isinstance(block, Plot):
        return (
            f"<figure><figcaption>{escape(block.title)}</figcaption>{draw(block)}"
            f"<details><summary>as a table</summary>{_table(block.table)}</details></figure>"
        )
    return _table(block)


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col"{_of_number(table, at)}>{escape(name)}</th>' for at, name in enumerate(table.head))
    rows = "".join(f"<tr>{''.join(_cell(table, at, cell) for at, cell in enumerate(row))}</tr>" for row in table.rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(table: Table, at: int, text: str) -> str:
    kinds = ["number"] if at in table.numbers else ["short" if len(text) <= SHORT else "long"]
    if table.head[at] == "outcome" and text in _OUTCOMES:
        kinds.append(_word(text))
    return f'<td class="{" ".join(kinds)}">{escape(text)}</td>'


def _of_number(table: Table, at: int) -> str:
    return ' class="number"' if at in table.numbers else ""


def _word(text: str) -> str:
    """Return a verdict or an outcome as the name of a class."""
    return "".join(letter if letter.isalpha() else "-" for letter in text)
