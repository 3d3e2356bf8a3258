"""Checks of drift: the features and predictions of the window against the champion's reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.evaluation.reference import day_numbers, months_of_year
from include.evaluation.sketch import compare_to_reference, is_text
from include.features.query import PREDICTION_TIME
from include.workflows.monitor.check import MonitoringCheck, MonitoringResult, too_few_rows, without_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import pandas as pd

    from include.config.monitoring import Monitoring
    from include.evaluation.reference import Reference
    from include.evaluation.sketch import Sketch
    from include.workflows.monitor.check import MonitoredDays


def prediction_drift(predictions: pd.DataFrame, reference: Reference, limits: Monitoring) -> list[MonitoringResult]:
    """Compare the predictions of the window to those of the champion's holdout.

    Parameters
    ----------
    predictions
        Rows of the table of predictions.
    """
    limit, results = limits.max_prediction_shift, []
    for name, sketch in reference.predictions.items():
        if name in predictions:
            results.append(_drift("prediction_shift", predictions[name], sketch, limit, limits.min_rows))
        else:
            sentence = f"the predictions of these days have no column {name}, which the champion predicts"
            results.append(MonitoringResult("prediction_shift", name, None, limit, "unknown", 0, sentence))
    return results


def feature_drift(
    rows: pd.DataFrame, reference: Reference, limits: Monitoring, calendar: Collection[str] = ()
) -> list[MonitoringResult]:
    """Compare the values of each feature that the champion takes to the rows that it learned from.

    Parameters
    ----------
    rows
        The feature rows of the window.
    calendar
        Features that follow from the date and are not compared, in lower case.
    """
    limit, results = limits.max_feature_shift, []
    months = set(months_of_year(day_numbers(rows[PREDICTION_TIME])).tolist()) if PREDICTION_TIME in rows else set()
    for name, sketch in reference.features.items():
        if name not in rows:
            sentence = (
                f"the champion takes {name}, which the feature query no longer returns; keep {name} in the query until "
                "a model without it is the champion"
            )
            results.append(MonitoringResult("feature_shift", name, None, limit, "alert", len(rows), sentence))
        elif _changed_type(rows[name], sketch):
            kinds = ("text", "numbers") if is_text(rows[name]) else ("numbers", "text")
            sentence = f"{name} holds {kinds[0]}, and the champion learned from {kinds[1]}; correct the query"
            results.append(MonitoringResult("feature_shift", name, None, limit, "alert", len(rows), sentence))
        elif name.lower() in calendar:
            sentence = (
                "a calendar feature is computed from prediction_time alone, so it follows the date and cannot drift"
            )
            results.append(MonitoringResult("feature_shift", name, None, None, "not applicable", len(rows), sentence))
        else:
            results.append(_drift("feature_shift", rows[name], sketch, limit, limits.min_rows, months))
    return results


def null_shares(rows: pd.DataFrame, reference: Reference, limits: Monitoring) -> list[MonitoringResult]:
    """Compare each feature's share of nulls to the rows that the champion learned from.

    A feature that is gone or of another type is left to `feature_drift`.

    Parameters
    ----------
    rows
        The feature rows of the window.
    """
    return [
        _null_share(name, rows[name], sketch, limits)
        for name, sketch in reference.features.items()
        if name in rows and not _changed_type(rows[name], sketch)
    ]


def _changed_type(column: pd.Series, sketch: Sketch) -> bool:
    """Return whether a column has become text, or is no longer text; a column of nulls has no type."""
    return is_text(column) != sketch.is_text and bool(column.notna().any())


def _drift(
    kind: str, column: pd.Series, sketch: Sketch, allowed: float, min_rows: int, months: Collection[int] = ()
) -> MonitoringResult:
    """Judge the PSI of a column; variability that was usual within the reference is no drift.

    A column whose windows always varied by more than `allowed` is compared with the same months of the reference, if it
    has them.
    """
    name, usual, where = str(column.name), sketch.usual_shift, "the reference"
    season = sketch.of_months(months, min_rows) if usual > allowed else None
    if season is not None:
        usual, where = sketch.seasonal_shift, "the same months of the reference"
    limit = max(allowed, usual)

    def unknown(rows: int, what: str) -> MonitoringResult:
        return MonitoringResult(kind, name, None, limit, "unknown", rows, too_few_rows(rows, min_rows, what))

    if is_text(column) != sketch.is_text:  # every value is null, so the column has no type
        return unknown(0, "rows with a value")
    found = compare_to_reference(column, sketch, season)
    if min(found.rows, sketch.rows) < min_rows:
        if found.rows <= sketch.rows:
            return unknown(found.rows, "rows with a value")
        return unknown(sketch.rows, "rows with a value in the reference")
    drifted = found.index > limit
    applied = f"{allowed:g}"
    if usual > allowed:
        applied = f"{usual:.2f}, the variability of {where}, which exceeds {allowed:g}"
    compared = f" compared with {where}" if season is not None else ""
    sentence = f"PSI {found.index:.2f} over {found.rows:,} rows{compared}; the limit is {applied}"
    if drifted:
        moved = f"; {found.moved}" if found.moved else ""
        sentence += f"{moved}; find the cause, and retrain if the drift stays"
    return MonitoringResult(kind, name, found.index, limit, "alert" if drifted else "ok", found.rows, sentence)


def _null_share(name: str, column: pd.Series, sketch: Sketch, limits: Monitoring) -> MonitoringResult:
    rows, nulls = len(column), int(column.isna().sum())
    limit = min(1.0, max(sketch.null_share + limits.max_null_increase, sketch.usual_nulls))
    if rows < limits.min_rows:
        sentence = too_few_rows(rows, limits.min_rows, "rows")
        return MonitoringResult("nulls", name, None, limit, "unknown", rows, sentence)
    share = nulls / rows
    sentence = f"{share:.1%} of {rows:,} rows are null; the champion learned from {sketch.null_share:.1%}"
    if share > limit:
        sentence += f"; {limit:.1%} are allowed; see where the column comes from"
    return MonitoringResult("nulls", name, share, limit, "alert" if share > limit else "ok", rows, sentence)


def _check(
    kind: str, *, retraining_helps: bool, compare: Callable[[MonitoredDays, Reference], list[MonitoringResult]]
) -> MonitoringCheck:
    """Return a check that is unknown where the champion has no reference."""

    def judge(days: MonitoredDays) -> list[MonitoringResult]:
        return [without_reference(kind, days.version)] if days.reference is None else compare(days, days.reference)

    return MonitoringCheck(kind, retraining_helps, judge)


CHECKS = (
    _check(
        "prediction_shift",
        retraining_helps=True,
        compare=lambda days, reference: prediction_drift(days.predictions, reference, days.pipeline.monitoring),
    ),
    _check(
        "feature_shift",
        retraining_helps=True,
        compare=lambda days, reference: feature_drift(days.rows, reference, days.pipeline.monitoring, days.calendar),
    ),
    _check(
        "nulls",
        retraining_helps=False,
        compare=lambda days, reference: null_shares(days.rows, reference, days.pipeline.monitoring),
    ),
)
