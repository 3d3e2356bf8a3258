"""The verdict as a plain-text table, for task logs, terminals and MLflow."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from include.ingestion.days import count_days, some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.evaluation.evidence import Evidence
    from include.evaluation.label_coverage import LabelCoverage
    from include.gate.verdict import Verdict

WIDTH = 100
INDENT = " " * 9  # small, since the log panel of the Airflow UI is narrow
#: Outcomes whose documentation is linked.
ATTENTION_OUTCOMES = ("fail", "inconclusive", "warn")
SHOWN_CLASSES = 6  # the most frequent classes show how imbalanced they are


def verdict_table(evidence: Evidence, verdict: Verdict) -> str:
    """Return the verdict, the metrics of challenger, champion and baseline, and the result of every check."""
    return "\n".join(
        [
            *_wrap("VERDICT  ", verdict.reason),
            "",
            *_wrap("Holdout  ", describe_holdout(evidence)),
            f"Trained  {describe_training(evidence)}",
            "",
            *align_columns(metric_rows(evidence)),
            *_wrap_notes(metric_notes(evidence)),
            "",
            *_format_checks(verdict),
        ]
    )


def describe_training(evidence: Evidence) -> str:
    """Return the challenger's family and training days."""
    return f"{evidence.challenger.family}, {evidence.challenger.train_start} to {evidence.challenger.train_end}"


def describe_holdout(evidence: Evidence) -> str:
    """Return days and rows of the holdout, and the distribution of its label."""
    holdout = evidence.holdout
    text = f"{holdout.start} to {holdout.end}, {holdout.rows:,} rows{_describe_missing_labels(evidence.labels)}"
    if holdout.label_shares is None:
        return text if math.isnan(holdout.label_mean) else f"{text}, label mean {holdout.label_mean:.3f}"
    by_share = sorted(holdout.label_shares.items(), key=lambda item: -item[1])
    shares = [f"{label} {share:.1%}" for label, share in by_share[:SHOWN_CLASSES]]
    left = len(by_share) - len(shares)
    return f"{text}: {', '.join(shares)}" + (f" and {left} more" if left else "")


def _describe_missing_labels(labels: LabelCoverage | None) -> str:
    """Return which rows and days are left out without labels; empty if every label is known."""
    if labels is None:
        return ""
    text, unlabelled = "", labels.all.rows - labels.all.labelled
    if unlabelled:
        text = f" (another {unlabelled:,} have no label)"
    if labels.left_out:
        days = f"{count_days(labels.left_out)} ({labels.left_out_rows:,} rows)"
        text += f", leaving out {days} whose labels are missing: {some(labels.left_out)}"
    return text


def metric_rows(evidence: Evidence) -> list[list[str]]:
    """Return a heading, one row a metric with the gate's metric first, and by how much the challenger is better."""
    champion = evidence.champion
    rows = [["", "challenger", f"champion ({champion.name})" if champion else "no champion", "baseline"]]
    gates_first = sorted(evidence.challenger.metrics.items(), key=lambda item: item[0] != evidence.metric)
    for metric, value in gates_first:
        mark = " *" if metric == evidence.metric else ""
        others = [champion.metrics if champion else None, evidence.baseline.metrics]
        rows.append([metric + mark, format_value(value), *(format_value((each or {}).get(metric)) for each in others)])
    for opponent, named in ((champion, "champion"), (evidence.baseline, "baseline")):
        if opponent and opponent.difference:
            found = opponent.difference
            rows.append(
                [
                    f"better than {named} by",
                    format_value(found.value),
                    f"{format_value(found.low)} to {format_value(found.high)}",
                    "",
                ]
            )
    return rows


def metric_notes(evidence: Evidence) -> list[str]:
    """Return what the star means, and the quantile or the thresholds of the metrics that have one."""
    note = "higher" if evidence.higher_is_better else "lower"
    about = f"* the gate's metric, {note} is better; baseline: {evidence.baseline.name}"
    if evidence.quantile is not None:
        return [about, f"pinball is at the quantile {evidence.quantile:g}"]
    if evidence.challenger.threshold is None:
        return [about]
    others = {"champion": evidence.champion, "baseline": evidence.baseline}
    known = {name: each.threshold for name, each in others.items() if each and each.threshold is not None}
    more = f" ({', '.join(f'{name} {threshold:.4g}' for name, threshold in known.items())})" if known else ""
    return [about, f"f1 uses threshold {evidence.challenger.threshold:.4g}{more}"]


def _wrap_notes(notes: list[str]) -> list[str]:
    """Return notes as lines below the metrics."""
    first, *others = notes
    return [*textwrap.wrap(first, WIDTH, subsequent_indent="  "), *(f"  {note}" for note in others)]


def _format_checks(verdict: Verdict) -> list[str]:
    lines = []
    for result in verdict.results:
        more = f" ({result.documentation})" if result.documentation and result.outcome in ATTENTION_OUTCOMES else ""
        lines.append(f"{result.code}  {result.outcome:<14}  {result.title}{more}")
        lines += textwrap.wrap(result.explanation, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return lines


def _wrap(heading: str, text: str) -> list[str]:
    return textwrap.wrap(heading + text, WIDTH, subsequent_indent=INDENT)


def format_value(value: float | None) -> str:
    """Return a value with four decimals, or a dash for None and NaN."""
    return "-" if value is None or value != value else f"{value:.4f}"


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
