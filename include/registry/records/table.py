"""The history of a pipeline as a table of plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.core.json_value import JsonObject
    from include.registry.records.record import Record

WIDTH = 120
HEADINGS = ("no", "recorded (UTC)", "kind", "as of", "verdict", "version", "champion", "metric")


def history_table(records: Sequence[Record]) -> str:
    """Return two lines for each record: its outcome, and below it who recorded it and why, cut to the width.

    The table shows these fields of a record's content, or a dash for a missing field:

    - `as_of`, an ISO day, and `verdict`;
    - `challenger_version`, `champion_before` and `champion_after`, versions, None for none;
    - `metric`, a dict of `name`, `value` and the ends of its interval, `low` and `high`;
    - `approver`, a name, and `reason`, a sentence.
    """
    rows = [HEADINGS, *(_cells(record) for record in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    heading, *lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    indent = " " * (widths[0] + 2)
    table = [heading]
    for record, line in zip(records, lines, strict=True):
        table += [line, indent + _format_reason(record)]
    return "\n".join(_cut(line) for line in table)


def _cells(record: Record) -> tuple[str, ...]:
    content = record.content
    return (
        str(record.number),
        record.recorded_at[:16].replace("T", " "),
        record.kind,
        _text(content.get("as_of")),
        _text(content.get("verdict")),
        _text(content.get("challenger_version")),
        _format_champion(content),
        _format_metric(content.get("metric")),
    )


def _format_champion(content: JsonObject) -> str:
    """Return the champion before and after, or one version where it did not change."""
    if "champion_before" not in content and "champion_after" not in content:
        return "-"
    before, after = (_text(content.get(name), "none") for name in ("champion_before", "champion_after"))
    return before if before == after else f"{before}->{after}"


def _format_metric(metric: Any) -> str:
    if not isinstance(metric, dict):
        return "-"
    value = f"{_text(metric.get('name'))} {_number(metric.get('value'))}"
    low, high = metric.get("low"), metric.get("high")
    return value if low is None or high is None else f"{value} [{_number(low)}, {_number(high)}]"


def _format_reason(record: Record) -> str:
    approver, reason = record.content.get("approver"), record.content.get("reason")
    sentence = f"by {record.by}"
    if approver is not None:
        sentence += f", approved by {approver}"
    if reason is not None:
        sentence += f": {reason}"
    return " ".join(sentence.split())  # one line, also where the reason has several


def _text(value: Any, otherwise: str = "-") -> str:
    return otherwise if value is None else str(value)


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "-"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1].rstrip() + "…"
