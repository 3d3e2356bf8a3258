"""What every check of the monitor works with: the measured days it judges, and the results that it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from include.core.json_document import JsonDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.evaluation.metrics import Metric
    from include.evaluation.reference import Reference

State = Literal["alert", "unknown", "ok", "not applicable"]


@dataclass(frozen=True)
class MonitoringResult(JsonDocument):
    """The result of one check for one feature, prediction column or metric; a row of the monitoring table.

    Attributes
    ----------
    kind
        The check's, see `MonitoringCheck`.
    name
        The feature, the prediction column, or the metric; `all` where the check as a whole cannot judge.
    value
        The measured number; None where nothing could be measured.
    limit
        The largest value allowed, or the smallest for a metric of which more is better.
    rows
        Rows that the value was measured on.
    """

    kind: str
    name: str
    value: float | None
    limit: float | None
    state: State
    rows: int
    sentence: str


@dataclass(frozen=True)
class HoldoutMetric:
    """The champion's metric on its holdout with its noise interval, as the champion's record has them.

    The ends of the interval and the usual share of rows with a label are None where they were not recorded.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    usual_labels: float | None = None


@dataclass(frozen=True)
class LabelledPredictions:
    """The champion's predictions whose labels are known.

    Attributes
    ----------
    y_true, y_pred
        Known labels and their predictions, as `Metric.value` takes them.
    days
        The day of each row, of shape (n_rows,).
    unlabelled
        Predicted rows of the same days that have no label.
    """

    y_true: np.ndarray
    y_pred: np.ndarray
    days: np.ndarray
    unlabelled: int = 0


@dataclass(frozen=True)
class MonitoredDays:
    """What was measured of the days of a plan, for the checks to judge.

    Attributes
    ----------
    version
        The champion's.
    rows
        The feature rows of the window.
    rows_to_predict
        Rows that should have a prediction.
    unpredicted
        The ISO day of the run that predicts it, for each of these rows without a prediction; None where nothing has
        ever been predicted.
    predictions
        The champion's own predictions of the window.
    reference
        What the champion learned from; None where the champion has no reference that this release can read.
    metric
        The metric of the pipeline, with the champion's threshold.
    labelled
        None where the champion's classes are not known.
    holdout
        None where no record has it.
    calendar
        The calendar features, in lower case; see `include.features.calendar_columns`.
    """

    pipeline: Pipeline
    version: int
    rows: pd.DataFrame
    rows_to_predict: int
    unpredicted: list[str] | None
    predictions: pd.DataFrame
    reference: Reference | None
    metric: Metric
    labelled: LabelledPredictions | None
    holdout: HoldoutMetric | None
    calendar: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MonitoringCheck:
    """One check of the monitor.

    Attributes
    ----------
    kind
        Its name in the column `kind` of the monitoring table.
    retraining_helps
        Whether an alert is a reason to retrain. Learning from data that are wrong teaches the model what is wrong.
    judge
        Returns the results for the measured days.
    """

    kind: str
    retraining_helps: bool
    judge: Callable[[MonitoredDays], Iterable[MonitoringResult]]


def without_reference(kind: str, version: int) -> MonitoringResult:
    """Return the result of a check that needs the champion's reference where there is none."""
    sentence = (
        f"version {version} has no reference sketch that this release can read; this check stays unknown until the "
        "next promotion; retrain once"
    )
    return MonitoringResult(kind, "all", None, None, "unknown", 0, sentence)


def too_few_rows(rows: int, min_rows: int, what: str = "rows with a value") -> str:
    """Return the sentence of a result that too few rows leave unknown."""
    return f"needs {min_rows:,} {what} (monitoring.min_rows); there are {rows:,}"
