"""Measure the days of a plan, let the checks judge them, and publish the results."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from include import lake
from include.core.as_of import calendar_days, end_of, midnight
from include.core.errors import LakeError, ScoringImpossible
from include.core.json_document import JsonDocument
from include.evaluation.metrics import Metric
from include.evaluation.reference import REFERENCE, Reference, prediction_names
from include.features.affected import defined_by, digest
from include.features.build import compute_rows
from include.features.lineage import column_lineage
from include.features.prediction_runs import predicted_since, prediction_days
from include.features.query import PREDICTION_TIME
from include.registry.load_model import read_extra_file
from include.registry.records.chain import read_all
from include.training.target import encode_target
from include.workflows.monitor.check import (
    HoldoutMetric,
    LabelledPredictions,
    MonitoredDays,
    MonitoringResult,
)
from include.workflows.monitor.checks import judge_days
from include.workflows.monitor.plan import Window
from include.workflows.monitor.report import monitoring_lines, monitoring_table, outcome, summary, worst_first

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.registry.champion import Champion
    from include.workflows.monitor.plan import MonitoringPlan

log = logging.getLogger(__name__)

#: Raised where the same inputs give other results than before.
CHECKS_VERSION = 3


@dataclass(frozen=True)
class MonitoringSummary(JsonDocument):
    """What a monitoring run found and published.

    Attributes
    ----------
    version
        The champion's version.
    table
        All results as text, the worst first.
    summary
        The alerts in sentences, for a message.
    outcome
        The outcome in one line.
    uri
        The table of results.
    """

    as_of: date
    version: int
    table: str
    summary: str
    outcome: str
    alerts: list[MonitoringResult]
    uri: str


def measure_drift(pipeline: Pipeline, plan: MonitoringPlan) -> MonitoringSummary:
    """Measure by a plan, publish the results as the day's rows, log them, and return a summary.

    An alert is no failure; its lines in the log are warnings. The same plan again publishes nothing new.

    Raises
    ------
    FeatureQueryFailed, ModelRefused, TrackingUnavailable, PublishConflict, LakeError
        The table is then unchanged.
    """
    results = worst_first(judge_days(measure_days(pipeline, plan)))
    uri, version = lake.monitoring_uri(pipeline.name), plan.champion.version
    published = lake.publish_monitoring(
        uri,
        plan.as_of.isoformat(),
        _rows(results, version),
        _build(pipeline, plan),
        {"run_key": plan.run_key, "champion": version, "predictions": plan.predictions, "snapshot": plan.snapshot},
        moment=plan.moment,
    )
    alerts = [result for result in results if result.state == "alert"]
    outcome_line = outcome(results, plan.as_of, version)
    log.log(logging.WARNING if alerts else logging.INFO, "%s: %s", pipeline.name, outcome_line)
    for is_alert, line in monitoring_lines(results):
        log.log(logging.WARNING if is_alert else logging.INFO, "%s", line)
    log.info("%s: version %s of the table %s has these results", pipeline.name, published.version, lake.table_name(uri))
    return MonitoringSummary(
        as_of=plan.as_of,
        version=version,
        table=monitoring_table(results),
        summary=summary(results),
        outcome=outcome_line,
        alerts=alerts,
        uri=uri,
    )


def measure_days(pipeline: Pipeline, plan: MonitoringPlan) -> MonitoredDays:
    """Return what the checks judge as of a plan's day."""
    window = Window.of(plan.as_of, pipeline.monitoring.window_days, pipeline.training.gap_days)
    rows = compute_rows(pipeline, plan.snapshot, plan.as_of, midnight(window.since)).to_pandas()
    of_window = _rows_since(pipeline, plan, rows, window.first)
    predicted = _read_predictions(pipeline, plan, window)
    # predictions of an earlier champion say nothing about this one
    own = predicted[predicted["model_version"] == plan.champion.version]
    rows_to_predict, unpredicted = _find_unpredicted(pipeline, plan, of_window, predicted)
    reference = _read_reference(plan.champion)
    return MonitoredDays(
        pipeline=pipeline,
        version=plan.champion.version,
        rows=of_window,
        rows_to_predict=rows_to_predict,
        unpredicted=unpredicted,
        predictions=own[own["ds"] >= window.first.isoformat()],
        reference=reference,
        metric=Metric.of(pipeline.training, plan.champion.threshold),
        labelled=_match_labels(pipeline, window, rows, own, reference.classes if reference else None),
        holdout=holdout_metric(pipeline.name, plan.champion.version),
        calendar=frozenset(name for name, column in column_lineage(pipeline).columns.items() if column.calendar),
    )


def _find_unpredicted(
    pipeline: Pipeline, plan: MonitoringPlan, rows: pd.DataFrame, predicted: pd.DataFrame
) -> tuple[int, list[str] | None]:
    """Return how many rows should have a prediction, and the days of those without one.

    Rows count from the first day on that was predicted at all. The days are None where none was.
    """
    import pandas as pd

    published = []
    if plan.predictions is not None:
        published = lake.days_with_rows(lake.predictions_uri(pipeline.name), plan.predictions)
    if not published:
        return len(rows), None
    rows = _rows_since(pipeline, plan, rows, date.fromisoformat(published[0]))
    key = _key(pipeline)
    missing = ~pd.MultiIndex.from_frame(rows[key]).isin(pd.MultiIndex.from_frame(predicted[key]))
    return len(rows), prediction_days(pipeline, plan.snapshot, rows[missing]).tolist()


def _rows_since(pipeline: Pipeline, plan: MonitoringPlan, rows: pd.DataFrame, day: date) -> pd.DataFrame:
    """Return the rows that the runs as of a day and of later days predict."""
    return rows[predicted_since(pipeline, plan.snapshot, rows, day)]


def _match_labels(
    pipeline: Pipeline, window: Window, rows: pd.DataFrame, own: pd.DataFrame, classes: list[Any] | None
) -> LabelledPredictions | None:
    """Return the champion's own predictions whose labels have arrived.

    None where the champion's classes are not known, or where it predicts for another task.
    """
    import numpy as np

    training, label = pipeline.training, pipeline.features.label
    if (training.task == "multiclass") != (classes is not None):
        return None
    time = rows[PREDICTION_TIME]
    labels = rows[(time >= midnight(window.first_known)) & (time < end_of(window.last_known))].set_index(_key(pipeline))
    found = own.set_index(_key(pipeline))
    found = found[found.index.isin(labels.index)]
    known_labels = labels[label].dropna()
    unlabelled = int((~found.index.isin(known_labels.index)).sum())
    found = found[found.index.isin(known_labels.index)]
    y_true = encode_target(training, known_labels.reindex(found.index), classes)
    if classes:
        known = np.isfinite(y_true)
        if not known.all():
            log.warning(
                "%s: the metric leaves out %s of %s labels, whose classes the champion does not know",
                pipeline.name,
                f"{(~known).sum():,}",
                f"{len(found):,}",
            )
        found, y_true = found[known], y_true[known]
    return LabelledPredictions(
        y_true=y_true,
        y_pred=_probabilities(found, classes)
        if classes
        else found["prediction"].to_numpy(dtype="float64", na_value=np.nan),
        days=calendar_days(np.asarray(found.index.get_level_values(PREDICTION_TIME))).astype(str),
        unlabelled=unlabelled,
    )


def holdout_metric(name: str, version: int) -> HoldoutMetric | None:
    """Return a version's metric on its holdout from the record of its run; None where no record can be read."""
    try:
        records = read_all(name)
    except LakeError as error:
        log.warning("%s: the metric on the holdout is unknown, because a record cannot be read: %s", name, error)
        return None
    for record in reversed(records):
        if record.kind == "retrain" and record.content.get("challenger_version") == version:
            metric = record.content.get("metric") or {}
            if metric.get("value") is None:
                return None
            labels = (record.content.get("evidence") or {}).get("labels") or {}
            usual = (labels.get("all") or {}).get("usual")
            return HoldoutMetric(metric["name"], metric["value"], metric.get("low"), metric.get("high"), usual)
    return None


def _read_reference(champion: Champion) -> Reference | None:
    """Return the champion's reference; None where its release registered none, or one of another form."""
    content = read_extra_file(champion, REFERENCE)
    if content is None:
        return None
    try:
        return Reference.from_json(json.loads(content))
    except (ValueError, TypeError) as error:
        log.warning("%s of version %s cannot be read by this release: %s", REFERENCE, champion.version, error)
        return None


def _read_predictions(pipeline: Pipeline, plan: MonitoringPlan, window: Window) -> pd.DataFrame:
    """Return the predictions of the window's rows, with the day of the run that predicted each."""
    import pandas as pd

    found = None
    if plan.predictions is not None:
        uri = lake.predictions_uri(pipeline.name)
        found = lake.read_predictions(uri, window.first_predicted.isoformat(), plan.as_of.isoformat(), plan.predictions)
    if found is None:
        return pd.DataFrame(columns=[*_key(pipeline), "ds", "prediction", "model_version"])
    missing = [name for name in _key(pipeline) if name not in found.column_names]
    if missing:
        raise ScoringImpossible(
            f"{pipeline.name}: the table of predictions has no column {', '.join(missing)}, which features.key names "
            f"now; move {lake.predictions_uri(pipeline.name)} to another place and run {pipeline.name}.score, which "
            "starts a new table"
        )
    return found.to_pandas()


def _probabilities(found: pd.DataFrame, classes: list[Any]) -> np.ndarray:
    """Return the probabilities of the champion's classes, of shape (n_rows, n_classes); each row sums to 1.

    A column that a row's version did not predict counts as 0.
    """
    import numpy as np

    given = found.reindex(columns=prediction_names(classes)).fillna(0.0).to_numpy(dtype="float64")
    total = given.sum(axis=1, keepdims=True)
    return np.where(total > 0, given / np.where(total > 0, total, 1), 1 / len(classes))


def _key(pipeline: Pipeline) -> list[str]:
    return list(dict.fromkeys([*pipeline.features.key, PREDICTION_TIME]))


def _rows(results: list[MonitoringResult], version: int) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema(
        [
            ("kind", pa.string()),
            ("name", pa.string()),
            ("value", pa.float64()),
            ("limit", pa.float64()),
            ("state", pa.string()),
            ("rows", pa.int64()),
            ("sentence", pa.string()),
            ("model_version", pa.int64()),
        ]
    )
    return pa.Table.from_pylist([result.to_json() | {"model_version": version} for result in results], schema=schema)


def _build(pipeline: Pipeline, plan: MonitoringPlan) -> str:
    """Return a digest of everything that the results follow from."""
    sections = (pipeline.training, pipeline.gate, pipeline.monitoring)
    return digest(
        [CHECKS_VERSION, plan.to_json(), *defined_by(pipeline), *(each.model_dump(mode="json") for each in sections)]
    )
