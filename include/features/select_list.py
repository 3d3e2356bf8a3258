"""Reads the select lists of a query as they are written: each column's text and the comments that belong to it."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot.tokens import Token

_MARK = re.compile(r"--[^\n]*|/\*.*?\*/|\n", re.DOTALL)
_OPEN, _CLOSE = ("L_PAREN", "L_BRACKET", "L_BRACE"), ("R_PAREN", "R_BRACKET", "R_BRACE")
_END = {
    *("FROM", "WHERE", "GROUP_BY", "HAVING", "QUALIFY", "WINDOW", "ORDER_BY", "LIMIT", "OFFSET"),
    *("UNION", "EXCEPT", "INTERSECT", "SEMICOLON"),
}


@dataclass(frozen=True)
class Item:
    """A column of a select list.

    Attributes
    ----------
    comment
        The comment directly above it, and the one after it on its line.
    group
        The comment above a block of several columns that blank lines set apart.
    """

    text: str
    comment: str = ""
    group: str = ""


@dataclass(frozen=True)
class _CommentedItem:
    """An item and the comments around it."""

    text: str
    heading: str
    above: str
    behind: str
    begins_block: bool


def read_select_lists(sql: str) -> dict[str, list[Item]]:
    """Return the items of the final SELECT under the name "", and those of each CTE under its name in lower case.

    Of a UNION only the first SELECT is read, which names the columns.

    Raises
    ------
    sqlglot.errors.TokenError
        If the text is not SQL.
    """
    import sqlglot

    tokens = list(sqlglot.tokenize(sql, read="duckdb"))
    lists: dict[str, list[Item]] = {}
    depth, cte = 0, None
    for at, token in enumerate(tokens):
        kind = token.token_type.name
        if kind in _OPEN:
            if depth == 0:
                cte = _cte_name(tokens, at)
            depth += 1
        elif kind in _CLOSE:
            depth -= 1
            cte = None if depth == 0 else cte
        elif kind == "SELECT" and depth <= 1:
            name = "" if depth == 0 else cte
            if name is not None and name not in lists:
                lists[name] = _with_groups(_items(sql, tokens, at))
    return lists


def _cte_name(tokens: list[Token], at: int) -> str | None:
    """Return the name in `name AS (`, whose bracket is the token `at`, or None for any other bracket."""
    at -= 1
    while at > 0 and tokens[at].text.upper() in ("MATERIALIZED", "NOT"):
        at -= 1
    if at < 1 or tokens[at].token_type.name != "ALIAS" or tokens[at - 1].token_type.name in _CLOSE:
        return None  # another kind of bracket, or columns are renamed as in `name (a, b) AS (`
    return tokens[at - 1].text.lower()


def _items(sql: str, tokens: list[Token], select: int) -> list[_CommentedItem]:
    """Return the items between the SELECT at the token `select` and the next clause."""
    items = []
    first = select + 1
    before = select  # the token before the item
    if first < len(tokens) and tokens[first].token_type.name in ("DISTINCT", "ALL"):
        before, first = first, first + 1
        if first < len(tokens) and tokens[first].text.upper() == "ON":
            before = _closing(tokens, first + 1)
            first = before + 1
    depth, at = 0, first
    while at <= len(tokens):
        kind = tokens[at].token_type.name if at < len(tokens) else None
        ends = depth == 0 and (kind in (None, *_CLOSE) or (kind in _END and not _continues(tokens, at)))
        if ends or (depth == 0 and kind == "COMMA"):
            if at > first:
                items.append(_commented_item(sql, tokens, before, first, at - 1))
            before, first = at, at + 1
        if ends:
            break
        depth += (kind in _OPEN) - (kind in _CLOSE)
        at += 1
    return items


def _closing(tokens: list[Token], at: int) -> int:
    """Return the position of the token that closes the bracket at `at`."""
    depth = 0
    while at < len(tokens):
        depth += (tokens[at].token_type.name in _OPEN) - (tokens[at].token_type.name in _CLOSE)
        if not depth:
            break
        at += 1
    return at


def _continues(tokens: list[Token], at: int) -> bool:
    """Return whether a keyword that may end a list does not: in IS DISTINCT FROM, * EXCEPT, or as a column's name."""
    kind, before = tokens[at].token_type.name, tokens[at - 1].token_type.name
    return before in ("DOT", "ALIAS") or (kind, before) in (("FROM", "DISTINCT"), ("EXCEPT", "STAR"))


def _commented_item(sql: str, tokens: list[Token], before: int, first: int, last: int) -> _CommentedItem:
    """Return the item of the tokens `first` to `last` with the comments around it; `before` is the comma before it."""
    lead = _lines(sql[tokens[before].end + 1 : tokens[first].start])
    if len(lead) > 1 and tokens[before].token_type.name == "COMMA":
        lead[0] = []  # after the comma, so it belongs to the item before
    blank = [number for number, line in enumerate(lead[1:-1], start=1) if not line]
    cut = max(blank, default=0)
    earlier, above = lead[:cut], lead[cut:]
    paragraphs = "\n".join(" ".join(line) for line in earlier).strip().split("\n\n")

    after = last + 1
    behind = _lines(sql[tokens[last].end + 1 : tokens[after].start if after < len(tokens) else len(sql)])[0]
    if after < len(tokens) and tokens[after].token_type.name == "COMMA":
        end = tokens[after + 1].start if after + 1 < len(tokens) else len(sql)
        rest = _lines(sql[tokens[after].end + 1 : end])
        behind += rest[0] if len(rest) > 1 else []
    # from the start of its line, so that dedent keeps the indents of its own lines
    start = sql.rfind("\n", 0, tokens[first].start) + 1
    indent = re.match(r"\s*", sql[start:])[0]  # type: ignore[index]
    text = sql[tokens[first].start : tokens[last].end + 1]
    return _CommentedItem(
        text=textwrap.dedent(indent + text).strip(),
        heading=" ".join(paragraphs[-1].split()),
        above=" ".join(word for line in above for word in line),
        behind=" ".join(behind),
        begins_block=bool(blank) or tokens[before].token_type.name != "COMMA",
    )


def _lines(gap: str) -> list[list[str]]:
    """Return the comments on each line between two tokens."""
    lines: list[list[str]] = [[]]
    for mark in _MARK.findall(gap):
        if mark == "\n":
            lines.append([])
        else:
            words = " ".join(re.sub(r"^(--|/\*+)|\*+/$", "", mark).split()).strip("-=*# ")
            lines[-1] += [words] if words else []
    return lines


def _with_groups(found: list[_CommentedItem]) -> list[Item]:
    """Separate the headings of blocks from the comments of columns.

    A comment above a block is its heading, unless every column has a comment or there is only one column.
    """
    blocks: list[list[_CommentedItem]] = []
    for each in found:
        if each.begins_block or not blocks:
            blocks.append([])
        blocks[-1].append(each)
    items = []
    for block in blocks:
        first, *others = block
        group = first.heading
        is_heading = bool(first.behind) or (others and not all(each.above for each in others))
        if not group and first.above and is_heading:
            group = first.above
            block[0] = replace(first, above="")
        for each in block:
            comment = " ".join(part for part in (each.above, each.behind) if part)
            items.append(Item(each.text, comment, group))
    return items
