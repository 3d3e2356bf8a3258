"""What the monitor has found as a table of plain text, the worst first, for a task's log and a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, get_args

from include.workflows.monitor.lines import Kind, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.workflows.monitor.lines import Line

WIDTH = 100
INDENT = " " * 9
#: Lines that are no alert, of each state; the lake's table has all.
SHOWN = 40
HEADINGS = ("state", "kind", "name", "value", "limit", "rows")


def worst_first(lines: Sequence[Line]) -> list[Line]:
    """Return lines in the order of their states, then of their kinds, then of how far they are from their limits."""

    def order(line: Line) -> tuple[int, int, float, str]:
        share = 0.0 if not line.limit or line.value is None else line.value / line.limit
        return get_args(State).index(line.state), get_args(Kind).index(line.kind), -share, line.name

    return sorted(lines, key=order)


def monitoring_table(lines: Sequence[Line]) -> str:
    """Return a line each, worst first, and below those that are not ok why; the same reason is told once.

    All alerts are there, and of the others the first ones.
    """
    ordered, found = [], dict.fromkeys(get_args(State), 0)
    for line in worst_first(lines):
        if line.state == "alert" or found[line.state] < SHOWN:
            ordered.append(line)
        found[line.state] += 1
    cells = [HEADINGS, *(_cells(line) for line in ordered)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    heading, *shown = ["  ".join(map(_padded, row, widths, range(len(row)))).rstrip() for row in cells]
    told, last = [heading], ""
    for line, text in zip(ordered, shown, strict=True):
        told.append(text)
        if line.state != "ok" and line.sentence != last:
            last = line.sentence
            told += textwrap.wrap(last, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    more = [f"{count - SHOWN} {state}" for state, count in found.items() if state != "alert" and count > SHOWN]
    if more:
        told.append(f"and {' and '.join(more)} more, which the table in the lake has")
    return "\n".join(told)


def summary(lines: Sequence[Line]) -> str:
    """Return how many lines there are of each state."""
    counts = {state: sum(line.state == state for line in lines) for state in get_args(State)}
    alerts = counts["alert"]
    return f"{alerts} alert{'s' * (alerts != 1)}, {counts['unknown']} unknown, {counts['ok']} ok"


def _cells(line: Line) -> tuple[str, ...]:
    return (line.state, line.kind, line.name, _number(line.value), _number(line.limit), f"{line.rows:,}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _padded(cell: str, width: int, at: int) -> str:
    return cell.ljust(width) if at < HEADINGS.index("value") else cell.rjust(width)
