"""The sections of a card about performance: metrics, slices, fairness, the charts of the task, and costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from include.core.formatting import format_number, format_share
from include.evaluation.curves import Curves
from include.reports.card.blocks import Block, CardSection, Facts, Plot, Table, Text

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.evaluation.evidence import Evidence

#: What the plots of a run without curves show.
NOT_MEASURED = Curves(intervals={}, confidence=0)


def performance_sections(
    pipeline: Pipeline, evidence: Evidence, curves: Curves | None, calibrator: str
) -> list[CardSection]:
    """Return the sections from the metrics to the costs of operation.

    Parameters
    ----------
    curves
        None where they were not measured.
    calibrator
        The challenger's method of calibration.
    """
    plots = {"binary": _probabilities, "multiclass": _classes}.get(pipeline.training.task, _residuals)
    curves = curves or NOT_MEASURED
    return [
        _metrics(evidence, curves),
        _slices(pipeline, evidence),
        _fairness(pipeline, evidence),
        plots(evidence, curves, calibrator),
        _operation(evidence),
    ]


def _metrics(evidence: Evidence, curves: Curves) -> CardSection:
    champion, baseline, gates = evidence.champion, evidence.baseline, evidence.metric
    intervals, rows = curves.intervals, []
    for name, value in sorted(evidence.challenger.metrics.items(), key=lambda item: item[0] != gates):
        others = [(each or {}).get(name) for each in (champion and champion.metrics, baseline.metrics)]
        shown = f"{name} (the gate's)" if name == gates else name
        rows.append([shown, _fixed(value), _between(intervals.get(name)), *map(_fixed, others)])
    named = f"champion ({champion.name})" if champion else "champion (none yet)"
    interval = f"{format_share(curves.confidence)} interval" if curves.confidence else "interval"
    blocks: list[Block] = [
        Table(["metric", "challenger", interval, named, f"baseline ({baseline.name})"], rows, (1, 2, 3, 4))
    ]
    better = [
        [
            f"better than the {who} by",
            _signed(each.value),
            _between([each.low, each.high]),
            f"{each.blocks}",
        ]
        for who, opponent in (("champion", champion), ("baseline", baseline))
        if opponent and (each := opponent.difference)
    ]
    if better:
        blocks.append(Table([gates, "difference", "interval", "days"], better, (1, 2, 3)))
    if champion and champion.error:
        blocks.append(Text(f"The champion cannot be scored: {champion.error}", "warning"))
    blocks.append(Text("Intervals come from a bootstrap over the days of the holdout.", "soft"))
    return CardSection("Metrics", blocks)


def _slices(pipeline: Pipeline, evidence: Evidence) -> CardSection:
    slices = evidence.slices
    if not slices:
        why = "gate.slices names no column" if not pipeline.gate.slices else "no value has enough rows"
        return CardSection("Slices", [Text(f"Not measured: {why}.", "soft")])
    rows = []
    for each in slices:
        found = each.difference
        rows.append(
            [
                each.column,
                each.value,
                f"{each.rows:,}",
                _fixed(each.challenger),
                _fixed(each.champion),
                _signed(found.value if found else None),
                _between([found.low, found.high] if found else None),
            ]
        )
    head = ["column", "value", "rows", f"{evidence.metric}", "champion's", "better by", "interval"]
    return CardSection("Slices", [Table(head, rows, (2, 3, 4, 5, 6))])


def _fairness(pipeline: Pipeline, evidence: Evidence) -> CardSection:
    gaps = evidence.fairness
    if not gaps:
        why = "gate.sensitive names no column" if not pipeline.gate.sensitive else "the run recorded nothing"
        return CardSection("Fairness", [Text(f"Not measured: {why}.", "soft")])
    rows = []
    for gap in gaps:
        values = {name: each.value for name, each in gap.groups.items() if not math.isnan(each.value)}
        extremes = sorted(values, key=values.__getitem__)
        ends = [f"{name} {_fixed(values[name])}" for name in (extremes[:1] + extremes[-1:])] or ["-", "-"]
        between = _between([gap.low, gap.high])
        rows.append([gap.column, gap.measure, f"{len(gap.groups)}", *ends, _fixed(gap.gap), between])
    head = ["column", "measure", "groups", "least", "most", "gap", "interval"]
    limit = f"The gate allows a gap of {pipeline.gate.max_fairness_gap:g} beyond noise."
    return CardSection("Fairness", [Table(head, rows, (2, 5, 6)), Text(limit, "soft")])


def _probabilities(evidence: Evidence, curves: Curves, calibrator: str) -> CardSection:
    blocks: list[Block] = []
    found = evidence.calibration
    if found:
        # say why this interval differs from the plain one in the table of metrics
        corrected = f"{_between([found.low, found.high])} after correcting for chance"
        error = f"{_fixed(found.error)} ({corrected})"
        others = "" if found.champion_error is None else f", the champion's {_fixed(found.champion_error)}"
        blocks.append(
            Facts(
                {
                    "calibration error": error + others,
                    "mean probability": f"{_fixed(found.mean_predicted)}; {_fixed(found.mean_observed)} of the "
                    "rows are positive",
                    "recalibration": f"slope {_fixed(found.slope)}, intercept {_fixed(found.intercept)}; perfect "
                    "calibration has 1 and 0",
                    "calibrator": calibrator,
                }
            )
        )
    if bins := curves.calibration:
        rows = [
            [
                f"{each.low:g} to {each.high:g}",
                f"{each.rows:,}",
                _fixed(each.predicted),
                _fixed(each.observed),
            ]
            for each in bins
        ]
        table = Table(["probability", "rows", "mean predicted", "share of positives"], rows, (1, 2, 3))
        blocks.append(Plot("calibration", "Calibration: predicted and observed probability", bins, table))
    if roc := curves.roc:
        table = Table(["model", "area under the curve"], [[each.model, _fixed(each.area)] for each in roc], (1,))
        blocks.append(Plot("roc", "ROC: true and false positive rate", roc, table))
    return CardSection("Calibration and ROC", blocks or [_missing()])


def _classes(evidence: Evidence, curves: Curves, calibrator: str) -> CardSection:
    found = curves.confusion
    if not found:
        return CardSection("Confusion", [_missing()])
    rows = [
        [name, f"{rows_of_class:,}", *(format_share(each) for each in shares)]
        for name, rows_of_class, shares in zip(found.classes, found.rows, found.shares, strict=True)
    ]
    head = ["class", "rows", *(f"predicted {name}" for name in found.classes)]
    table = Table(head, rows, tuple(range(1, len(head))))
    return CardSection("Confusion", [Plot("confusion", "Confusion matrix, as shares of the true class", found, table)])


def _residuals(evidence: Evidence, curves: Curves, calibrator: str) -> CardSection:
    groups, quantiles = curves.residuals, curves.residual_quantiles or {}
    if not groups:
        return CardSection("Residuals", [_missing()])
    rows = [
        [
            format_number(each.predicted),
            f"{each.rows:,}",
            *(format_number(getattr(each, end)) for end in ("low", "median", "high")),
        ]
        for each in groups
    ]
    head = ["predicted", "rows", "10 % quantile", "median", "90 % quantile"]
    return CardSection(
        "Residuals",
        [
            Text("A residual is the label minus the prediction: above 0 the prediction was too low."),
            Plot("residuals", "Residuals by prediction", groups, Table(head, rows, (0, 1, 2, 3, 4))),
            Table(
                [f"{float(each):.0%}" for each in quantiles],
                [[format_number(each) for each in quantiles.values()]],
                tuple(range(len(quantiles))),
            ),
            Text("Above: quantiles of the residuals of all rows.", "soft"),
        ],
    )


def _operation(evidence: Evidence) -> CardSection:
    found = evidence.operation
    if not found:
        return CardSection("Operation", [_missing()])
    costs = {
        "model file": f"{found.model_bytes / 1e6:.2f} MB",
        "one row": "not measured" if math.isnan(found.row_ms) else f"{found.row_ms:.2f} ms",
        "many rows": "not measured" if math.isnan(found.rows_per_second) else f"{found.rows_per_second:,.0f} a second",
    }
    return CardSection("Operation", [Facts(costs)])


def _missing() -> Text:
    return Text("Not measured in this run.", "soft")


def _fixed(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def _signed(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:+.4f}"


def _between(ends: list[float] | None) -> str:
    return "-" if ends is None or any(map(math.isnan, ends)) else f"{_fixed(ends[0])} to {_fixed(ends[1])}"
