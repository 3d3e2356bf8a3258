"""What the monitor says, line by line: pure decisions about what was measured."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from include.evaluation.intervals import independent_difference_margin, percentile_interval
from include.evaluation.metrics import why_undefined
from include.evaluation.resamples import day_resamples
from include.evaluation.sketch import compare_to_reference, is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import pandas as pd

    from include.config.monitoring import Monitoring
    from include.config.pipeline import Gate
    from include.evaluation.metrics import Metric
    from include.evaluation.reference import Reference
    from include.evaluation.sketch import Sketch

Kind = Literal["volume", "metric", "prediction_shift", "feature_shift", "nulls"]
State = Literal["alert", "unknown", "ok"]

#: The kinds whose lines need what the champion's reference holds.
OF_REFERENCE: tuple[Kind, ...] = ("prediction_shift", "feature_shift", "nulls")
#: The kinds that follow a world which has changed.
LEARNT: tuple[Kind, ...] = ("metric", "prediction_shift", "feature_shift")
#: Of fewer days a bootstrap over days says nothing of noise.
MIN_DAYS = 3


@dataclass(frozen=True)
class Line:
    """One thing that was looked at.

    Attributes
    ----------
    name
        The feature, the predictions' column, or the metric; `all` where a kind as a whole cannot be judged.
    value
        What was measured; None where nothing could be.
    limit
        What it may be at most, or of a metric of which more is better at least.
    rows
        Rows that it was measured on.
    """

    kind: Kind
    name: str
    value: float | None
    limit: float | None
    state: State
    rows: int
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class HoldoutMetric:
    """What the champion's metric was on its holdout, by its record, with the ends of the interval that noise left.

    The ends are None where they were not recorded, as is the share of rows that usually have a label.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    usual_labels: float | None = None


def mended_by_retraining(alerts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return kind and name of those alerts that a newer model may mend.

    Missing predictions are scored, and missing values are delivered; to learn from them would teach what is wrong.

    Parameters
    ----------
    alerts
        What `Line.to_json` gave.
    """
    return [f"{each['kind']} {each['name']}" for each in alerts if each["kind"] in LEARNT]


def volume_line(rows: int, missing: Sequence[str], score: str, *, predicts: bool) -> Line:
    """Say whether each row that is asked for has a prediction.

    Parameters
    ----------
    rows
        How many rows the features query yields.
    missing
        For each of them that has no prediction, the ISO day of the run that predicts it.
    score
        The DAG that predicts.
    predicts
        Whether anything was ever predicted.
    """
    absent = len(missing)
    if not predicts:
        told = f"nothing was predicted yet; run {score}"
        return Line("volume", "predictions", None, 1.0, "unknown", rows, told)
    if not rows:
        told = "the features query yields no row for these days; see whether the sources have delivered"
        return Line("volume", "predictions", None, 1.0, "alert", 0, told)
    share = (rows - absent) / rows
    if not absent:
        told = f"each of the {rows:,} rows that were asked for has its prediction"
        return Line("volume", "predictions", share, 1.0, "ok", rows, told)
    found = sorted(set(missing))
    listed = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    told = (
        f"{absent:,} of the {rows:,} rows that were asked for have no prediction; run {score} as of "
        f"{listed if len(found) == 1 else f'each of these days: {listed}'}"
    )
    return Line("volume", "predictions", share, 1.0, "alert", rows, told)


def without_reference(version: int, kinds: Iterable[Kind] = OF_REFERENCE) -> list[Line]:
    """Say of each kind that needs it that the champion has no reference."""
    told = (
        f"no sketch of what version {version} has learned from was registered with it that this release can read, so "
        "there is nothing to compare with; retrain once, and the next champion has one"
    )
    return [Line(kind, "all", None, None, "unknown", 0, told) for kind in kinds]


def feature_lines(rows: pd.DataFrame, reference: Reference, limits: Monitoring) -> list[Line]:
    """Hold each feature that the champion takes against what it learned from: its values, and its nulls.

    Parameters
    ----------
    rows
        The feature rows of the window.
    """
    lines: list[Line] = []
    for name, learned in reference.features.items():
        if name not in rows:
            told = f"the champion takes {name}, which the features query yields no more; keep it there until a "
            told += "model without it has been promoted"
            lines.append(Line("feature_shift", name, None, limits.max_feature_shift, "alert", len(rows), told))
            continue
        if is_text(rows[name]) != learned.is_text and rows[name].notna().any():
            kinds = ("text", "numbers") if is_text(rows[name]) else ("numbers", "text")
            told = f"{name} holds {kinds[0]}, and the champion has learned from {kinds[1]}; correct the query"
            lines.append(Line("feature_shift", name, None, limits.max_feature_shift, "alert", len(rows), told))
            continue
        usual = learned.usual_shift
        lines.append(_shift_line("feature_shift", name, rows[name], learned, limits.max_feature_shift, usual, limits))
        lines.append(_null_line(name, rows[name], learned, limits))
    return lines


def prediction_lines(predicted: pd.DataFrame, reference: Reference, limits: Monitoring) -> list[Line]:
    """Hold the predictions of the window against those of the champion's holdout.

    Parameters
    ----------
    predicted
        Rows of the table of predictions.
    """
    lines = []
    for name, held in reference.predictions.items():
        if name not in predicted:
            told = f"no prediction of these days has {name}, which the champion predicts"
            lines.append(Line("prediction_shift", name, None, limits.max_prediction_shift, "unknown", 0, told))
            continue
        limit = limits.max_prediction_shift
        lines.append(_shift_line("prediction_shift", name, predicted[name], held, limit, held.usual_shift, limits))
    return lines


def metric_lines(
    measure: Metric,
    y_true: np.ndarray,
    y_pred: np.ndarray,
    days: np.ndarray,
    *,
    holdout: HoldoutMetric | None,
    gate: Gate,
    min_rows: int,
    seed: int,
    unlabelled: int = 0,
) -> list[Line]:
    """Say how good the predictions were whose labels are known: beside gate.minimum, and beside the holdout.

    Parameters
    ----------
    y_true, y_pred
        Known labels and what was predicted of them, as `Metric.value` takes them.
    days
        The day of each row, of shape (n_rows,).
    holdout
        None where it is not recorded.
    unlabelled
        Rows of the same days that were predicted and have no label.
    """
    import numpy as np

    name, rows = measure.name, len(y_true)
    of_holdout = f"{name} beside the holdout"
    value = measure.value(y_true, y_pred) if rows >= min_rows else math.nan
    if not math.isfinite(value):
        told = _too_few(rows, min_rows, "rows with a prediction and a known label")
        if rows >= min_rows:
            told = f"{name} is not defined on these rows: {why_undefined(name) or 'see their labels'}"
        return [Line("metric", each, None, None, "unknown", rows, told) for each in (name, of_holdout)]
    missing = _missing_labels(rows, unlabelled, holdout)
    if missing > gate.max_missing_labels:
        told = (
            f"{rows:,} of {rows + unlabelled:,} predicted rows have a label, and {missing:.0%} of the labels to expect "
            f"are missing (gate.max_missing_labels allows {gate.max_missing_labels:.0%}); see why they do not come"
        )
        return [Line("metric", each, value, None, "unknown", rows, told) for each in (name, of_holdout)]
    worse = "below" if measure.higher_is_better else "above"
    beyond = measure.sign * value < measure.sign * gate.minimum
    told = f"{name} {value:.4f} over {rows:,} rows is {f'{worse} ' if beyond else 'within '}gate.minimum"
    if beyond:
        told += ", with which no model would be promoted; see which features have changed, and retrain"
    lines = [Line("metric", name, value, gate.minimum, "alert" if beyond else "ok", rows, told)]
    unique, day = np.unique(days, return_inverse=True)
    unknown = None
    if holdout is None:
        unknown = f"no record of the champion has its {name} on its holdout"
    elif holdout.name != name:
        unknown = f"the champion's record has its {holdout.name}, and training.metric is {name} now; retrain once"
    elif len(unique) < MIN_DAYS:
        unknown = f"the labels of {len(unique)} days are known, and of fewer than {MIN_DAYS} noise cannot be told"
    if unknown or holdout is None:
        return [*lines, Line("metric", of_holdout, value, None, "unknown", rows, str(unknown))]
    draws = day_resamples(len(unique), gate.bootstrap_rounds, seed)
    low, high = percentile_interval(measure.on_resamples(y_true, y_pred, day)(draws), gate.confidence)
    if not math.isfinite(low):
        told = f"{name} is not defined on most draws of these {len(unique)} days, so noise cannot be told"
        return [*lines, Line("metric", of_holdout, value, None, "unknown", rows, told)]
    limit = holdout.value - measure.sign * noise_of_both(measure.sign, value, (low, high), holdout)
    beyond = measure.sign * value < measure.sign * limit
    found = f"{name} {value:.4f} ({gate.confidence:.0%} interval {low:.4f} to {high:.4f}, {len(unique)} days)"
    told = (
        f"{found} beside {holdout.value:.4f} on the champion's holdout is {'more than' if beyond else 'within'} noise"
    )
    if beyond:
        told += f", which allows {limit:.4f}; see which features have changed, and retrain"
    return [*lines, Line("metric", of_holdout, value, limit, "alert" if beyond else "ok", rows, told)]


def _missing_labels(labelled: int, unlabelled: int, holdout: HoldoutMetric | None) -> float:
    """Return the share of the labels to expect that is missing; 0 where it is not known how many there usually are."""
    if holdout is None or not holdout.usual_labels:
        return 0.0
    return 1 - labelled / (holdout.usual_labels * (labelled + unlabelled))


def noise_of_both(sign: float, value: float, interval: tuple[float, float], holdout: HoldoutMetric) -> float:
    """Return by how much a metric may be worse than on the holdout for noise alone.

    A holdout without an interval counts as exact: then the interval of the metric excludes the holdout's value, or
    does not.

    Parameters
    ----------
    sign
        1 where a higher value is better, and -1 otherwise.
    """
    ends = [end for end in (holdout.low, holdout.high) if end is not None]
    return independent_difference_margin(sign, value, interval, holdout.value, ends)


def _shift_line(
    kind: Kind, name: str, column: pd.Series, sketch: Sketch, allowed: float, usual: float, limits: Monitoring
) -> Line:
    """Judge the stability index of a column; what was usual in the reference itself is no drift."""
    limit = max(allowed, usual)
    if is_text(column) != sketch.is_text:  # all null, so of no type
        return _unknown(kind, name, limit, 0, limits.min_rows)
    found = compare_to_reference(column, sketch)
    if min(found.rows, sketch.rows) < limits.min_rows:
        few = "rows with a value" if found.rows <= sketch.rows else "rows with a value of what it is compared with"
        return _unknown(kind, name, limit, min(found.rows, sketch.rows), limits.min_rows, few)
    moved = found.index > limit
    least = f", and {usual:.2f} was usual" if usual > allowed else ""
    told = f"a stability index of {found.index:.2f} over {found.rows:,} rows; {allowed:g} is allowed{least}"
    if moved:
        told += f"; {found.moved}; see where it comes from, and retrain if it stays"
    return Line(kind, name, found.index, limit, "alert" if moved else "ok", found.rows, told)


def _null_line(name: str, column: pd.Series, sketch: Sketch, limits: Monitoring) -> Line:
    """Judge the share of nulls of a feature."""
    rows, nulls = len(column), int(column.isna().sum())
    limit = min(1.0, max(sketch.null_share + limits.max_null_increase, sketch.usual_nulls))
    if rows < limits.min_rows:
        return _unknown("nulls", name, limit, rows, limits.min_rows, "rows")
    share = nulls / rows
    told = f"{share:.1%} of {rows:,} rows are null, and {sketch.null_share:.1%} of those that were learned from"
    if share > limit:
        told += f"; {limit:.1%} are allowed; see where the column comes from"
    return Line("nulls", name, share, limit, "alert" if share > limit else "ok", rows, told)


def _unknown(kind: Kind, name: str, limit: float, rows: int, min_rows: int, what: str = "rows with a value") -> Line:
    return Line(kind, name, None, limit, "unknown", rows, _too_few(rows, min_rows, what))


def _too_few(rows: int, min_rows: int, what: str) -> str:
    return f"there are {rows:,} {what}, fewer than monitoring.min_rows ({min_rows:,}), which say nothing"
