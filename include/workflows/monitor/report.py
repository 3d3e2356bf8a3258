"""The monitor's results as one line, and as a table of plain text, the worst first, for a log and a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, get_args

from include.workflows.monitor.check import State
from include.workflows.monitor.checks import CHECKS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from include.workflows.monitor.check import MonitoringResult

WIDTH = 100
INDENT = " " * 9
#: Results shown of each state but alert; the table in the lake has all.
SHOWN = 40
#: Alerts named in the one line about a run.
NAMED = 3
HEADINGS = ("state", "kind", "name", "value", "limit", "rows")


def worst_first(results: Sequence[MonitoringResult]) -> list[MonitoringResult]:
    """Return results ordered by state, then by kind, then by how far each is beyond its limit."""
    kinds = [check.kind for check in CHECKS]

    def order(result: MonitoringResult) -> tuple[int, int, float, str]:
        share = 0.0 if not result.limit or result.value is None else result.value / result.limit
        return get_args(State).index(result.state), kinds.index(result.kind), -share, result.name

    return sorted(results, key=order)


def monitoring_table(results: Sequence[MonitoringResult]) -> str:
    """Return the table of results as text."""
    return "\n".join(line for _, line in monitoring_lines(results))


def monitoring_lines(results: Sequence[MonitoringResult]) -> list[tuple[bool, str]]:
    """Return the lines of the table of results, and whether each is about an alert.

    There is one line a result, worst first, and below it the reason unless the state is ok. A reason is not repeated on
    the next line. The table has all alerts, and the first results of the other states.
    """
    ordered, found = [], dict.fromkeys(get_args(State), 0)
    for result in worst_first(results):
        if result.state == "alert" or found[result.state] < SHOWN:
            ordered.append(result)
        found[result.state] += 1
    cells = [HEADINGS, *(_cells(result) for result in ordered)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    heading, *lines = ["  ".join(map(_align, row, widths, range(len(row)))).rstrip() for row in cells]
    table, last = [(False, heading)], ""
    for result, line in zip(ordered, lines, strict=True):
        of_result = [line]
        if result.state != "ok" and result.sentence != last:
            last = result.sentence
            of_result += textwrap.wrap(last, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
        table += [(result.state == "alert", each) for each in of_result]
    more = [f"{count - SHOWN} {state}" for state, count in found.items() if state != "alert" and count > SHOWN]
    if more:
        table.append((False, f"and {' and '.join(more)} more, which the table in the lake has"))
    return table


def outcome(results: Sequence[MonitoringResult], as_of: date, version: int) -> str:
    """Return the outcome of a run in one line, with the names of the worst alerts."""
    alerts = [f"{result.kind} {result.name}" for result in worst_first(results) if result.state == "alert"]
    named = alerts[:NAMED] + ([f"{len(alerts) - NAMED} more"] if len(alerts) > NAMED else [])
    listed = f": {', '.join(named)}" if named else ""
    return f"{summary(results)} as of {as_of} for version {version}{listed}"


def summary(results: Sequence[MonitoringResult]) -> str:
    """Return the number of results of each state; what is not applicable is left out where there is none."""
    counts = {state: sum(result.state == state for result in results) for state in get_args(State)}
    alerts, left_out = counts["alert"], counts["not applicable"]
    counted = f"{alerts} alert{'s' * (alerts != 1)}, {counts['unknown']} unknown, {counts['ok']} ok"
    return f"{counted}, {left_out} not applicable" if left_out else counted


def _cells(result: MonitoringResult) -> tuple[str, ...]:
    value, limit = _format_number(result.value), _format_number(result.limit)
    return (result.state, result.kind, result.name, value, limit, f"{result.rows:,}")


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _align(cell: str, width: int, at: int) -> str:
    return cell.ljust(width) if at < HEADINGS.index("value") else cell.rjust(width)
