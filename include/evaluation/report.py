"""The verdict as a table of plain text, for a task's log, a terminal and MLflow."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.evaluation.evidence import Evidence
    from include.evaluation.gate import Verdict

WIDTH = 100
INDENT = " " * 9  # the log panel of the Airflow UI is narrow, and an explanation is what is looked for


def verdict_table(evidence: Evidence, verdict: Verdict) -> str:
    """Return the verdict, the metrics of all who were compared, and what every check came to."""
    holdout = evidence.holdout
    return "\n".join(
        [
            *textwrap.wrap(f"VERDICT  {verdict.reason}", WIDTH, subsequent_indent=" " * 9),
            "",
            f"Holdout  {holdout.start} to {holdout.end}, {holdout.rows:,} rows, label mean {holdout.label_mean:.3f}",
            f"Trained  {evidence.challenger.family}, {evidence.challenger.train_start} to "
            f"{evidence.challenger.train_end}",
            "",
            *_metrics(evidence),
            "",
            *_checks(verdict),
        ]
    )


def _metrics(evidence: Evidence) -> list[str]:
    champion = evidence.champion
    rows = [["", "challenger", f"champion ({champion.name})" if champion else "no champion", "baseline"]]
    gates_first = sorted(evidence.challenger.metrics.items(), key=lambda item: item[0] != evidence.metric)
    for metric, value in gates_first:
        mark = " *" if metric == evidence.metric else ""
        others = [champion.metrics if champion else None, evidence.baseline.metrics]
        rows.append([metric + mark, _number(value), *(_number((each or {}).get(metric)) for each in others)])
    for opponent, named in ((champion, "champion"), (evidence.baseline, "baseline")):
        if opponent and opponent.difference:
            found = opponent.difference
            rows.append(
                [
                    f"better than {named} by",
                    _number(found.value),
                    f"{_number(found.low)} to {_number(found.high)}",
                    "",
                ]
            )
    note = "higher" if evidence.higher_is_better else "lower"
    about = f"* the gate's metric, {note} is better; baseline: {evidence.baseline.name}"
    return [*_aligned(rows), *textwrap.wrap(about, WIDTH, subsequent_indent="  ")]


def _checks(verdict: Verdict) -> list[str]:
    lines = []
    for result in verdict.results:
        lines.append(f"{result.code}  {result.outcome:<14}  {result.title}")
        lines += textwrap.wrap(result.explanation, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
