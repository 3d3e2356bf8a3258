"""Checks of the predictions themselves: whether every row has one, and how good they were."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from include.evaluation.intervals import independent_difference_margin, percentile_interval
from include.evaluation.metrics import why_undefined
from include.evaluation.resamples import day_resamples
from include.workflows.monitor.check import MonitoringCheck, MonitoringResult, too_few_rows, without_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.config.gate import Gate
    from include.evaluation.metrics import Metric
    from include.workflows.monitor.check import HoldoutMetric, LabelledPredictions, MonitoredDays

#: With fewer days a bootstrap over days cannot estimate noise.
MIN_DAYS = 3


def volume_result(rows: int, unpredicted: Sequence[str] | None, score: str) -> MonitoringResult:
    """Judge whether every row has a prediction.

    Parameters
    ----------
    rows
        How many rows the feature query returns.
    unpredicted
        As `MonitoredDays.unpredicted`.
    score
        The DAG that predicts.
    """
    if unpredicted is None:
        sentence = f"nothing has been predicted yet; run {score}"
        return MonitoringResult("volume", "predictions", None, 1.0, "unknown", rows, sentence)
    if not rows:
        sentence = "the feature query returns no row for these days; see whether the sources were ingested"
        return MonitoringResult("volume", "predictions", None, 1.0, "alert", 0, sentence)
    absent = len(unpredicted)
    share = (rows - absent) / rows
    if not absent:
        return MonitoringResult("volume", "predictions", share, 1.0, "ok", rows, f"all {rows:,} rows have a prediction")
    days = sorted(set(unpredicted))
    listed = ", ".join(days[:5]) + (f" and {len(days) - 5} more" if len(days) > 5 else "")
    sentence = (
        f"{absent:,} of {rows:,} rows have no prediction; run {score} as of "
        f"{listed if len(days) == 1 else f'each of these days: {listed}'}"
    )
    return MonitoringResult("volume", "predictions", share, 1.0, "alert", rows, sentence)


def metric_results(
    metric: Metric,
    labelled: LabelledPredictions,
    *,
    holdout: HoldoutMetric | None,
    gate: Gate,
    min_rows: int,
    seed: int,
) -> list[MonitoringResult]:
    """Judge the predictions whose labels are known, by `gate.minimum` and by the metric on the holdout.

    Parameters
    ----------
    holdout
        None where it is not recorded.
    """
    rows = len(labelled.y_true)
    names = [metric.name, f"{metric.name} beside the holdout"]
    value = metric.value(labelled.y_true, labelled.y_pred) if rows >= min_rows else math.nan
    unknown = _unknown_metric(metric.name, value, labelled, holdout, gate, min_rows)
    if unknown:
        measured = value if math.isfinite(value) else None
        return [MonitoringResult("metric", name, measured, None, "unknown", rows, unknown) for name in names]
    return [
        _compare_to_minimum(names[0], metric, value, rows, gate),
        _compare_to_holdout(names[1], metric, value, labelled, holdout, gate, seed),
    ]


def noise_of_both(sign: float, value: float, interval: tuple[float, float], holdout: HoldoutMetric) -> float:
    """Return by how much noise alone may make a metric worse than on the holdout.

    A holdout without an interval counts as exact: the interval of the metric then contains the holdout's value, or
    does not.

    Parameters
    ----------
    sign
        1 where a higher value is better, and -1 otherwise.
    """
    ends = [end for end in (holdout.low, holdout.high) if end is not None]
    return independent_difference_margin(sign, value, interval, holdout.value, ends)


def _unknown_metric(
    name: str,
    value: float,
    labelled: LabelledPredictions,
    holdout: HoldoutMetric | None,
    gate: Gate,
    min_rows: int,
) -> str | None:
    """Return why the metric of these rows cannot be judged, or None where it can."""
    rows = len(labelled.y_true)
    if rows < min_rows:
        return too_few_rows(rows, min_rows, "rows with a prediction and a known label")
    if not math.isfinite(value):
        return f"{name} is not defined on these rows: {why_undefined(name) or 'see their labels'}"
    missing = _share_of_missing_labels(labelled, holdout)
    if missing > gate.max_missing_labels:
        return (
            f"{missing:.0%} of the expected labels are missing (gate.max_missing_labels allows "
            f"{gate.max_missing_labels:.0%}): {rows:,} of {rows + labelled.unlabelled:,} predicted rows have one; see "
            "why the labels do not arrive"
        )
    return None


def _share_of_missing_labels(labelled: LabelledPredictions, holdout: HoldoutMetric | None) -> float:
    """Return the share of the expected labels that is missing; 0 where the usual share of labels is not known."""
    if holdout is None or not holdout.usual_labels:
        return 0.0
    known = len(labelled.y_true)
    return 1 - known / (holdout.usual_labels * (known + labelled.unlabelled))


def _compare_to_minimum(name: str, metric: Metric, value: float, rows: int, gate: Gate) -> MonitoringResult:
    beyond = metric.sign * value < metric.sign * gate.minimum
    where = ("below " if metric.higher_is_better else "above ") if beyond else "within "
    sentence = f"{name} {value:.4f} over {rows:,} rows is {where}gate.minimum"
    if beyond:
        sentence += ", so the gate would promote no such model; see which features have changed, and retrain"
    return MonitoringResult("metric", name, value, gate.minimum, "alert" if beyond else "ok", rows, sentence)


def _compare_to_holdout(
    name: str,
    metric: Metric,
    value: float,
    labelled: LabelledPredictions,
    holdout: HoldoutMetric | None,
    gate: Gate,
    seed: int,
) -> MonitoringResult:
    import numpy as np

    rows = len(labelled.y_true)
    unique, day = np.unique(labelled.days, return_inverse=True)

    def unknown(why: str) -> MonitoringResult:
        return MonitoringResult("metric", name, value, None, "unknown", rows, why)

    if holdout is None:
        return unknown(f"no record has the champion's {metric.name} on its holdout")
    if holdout.name != metric.name:
        return unknown(f"the champion's record has {holdout.name}, and training.metric is {metric.name}; retrain once")
    if len(unique) < MIN_DAYS:
        return unknown(f"needs labels of {MIN_DAYS} days to estimate noise; there are {len(unique)}")
    resamples = day_resamples(len(unique), gate.bootstrap_rounds, seed)
    on_resamples = metric.on_resamples(labelled.y_true, labelled.y_pred, day)(resamples)
    low, high = percentile_interval(on_resamples, gate.confidence)
    if not math.isfinite(low):
        return unknown(
            f"{metric.name} is not defined on most bootstrap resamples of these {len(unique)} days, so its noise is "
            "not known"
        )
    limit = holdout.value - metric.sign * noise_of_both(metric.sign, value, (low, high), holdout)
    beyond = metric.sign * value < metric.sign * limit
    found = f"{metric.name} {value:.4f} ({gate.confidence:.0%} interval {low:.4f} to {high:.4f}, {len(unique)} days)"
    sentence = f"{found} against {holdout.value:.4f} on the champion's holdout: "
    sentence += (
        f"worse than noise allows ({limit:.4f}); see which features have changed, and retrain"
        if beyond
        else "within noise"
    )
    return MonitoringResult("metric", name, value, limit, "alert" if beyond else "ok", rows, sentence)


def _judge_volume(days: MonitoredDays) -> list[MonitoringResult]:
    return [volume_result(days.rows_to_predict, days.unpredicted, f"{days.pipeline.name}.score")]


def _judge_metric(days: MonitoredDays) -> list[MonitoringResult]:
    if days.labelled is None:
        return [without_reference("metric", days.version)]
    pipeline = days.pipeline
    return metric_results(
        days.metric,
        days.labelled,
        holdout=days.holdout,
        gate=pipeline.gate,
        min_rows=pipeline.monitoring.min_rows,
        seed=pipeline.training.seed,
    )


CHECKS = (
    MonitoringCheck("volume", retraining_helps=False, judge=_judge_volume),
    MonitoringCheck("metric", retraining_helps=True, judge=_judge_metric),
)
