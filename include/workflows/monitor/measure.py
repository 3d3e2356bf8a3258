"""Measure: what is asked, predicted and known of the days of a plan, held against what the champion learned from."""

from __future__ import annotations

import json
import logging
from datetime import date
from typing import TYPE_CHECKING, Any

from include import lake
from include.core.as_of import calendar_days, end_of, midnight
from include.core.errors import LakeError, ScoringImpossible
from include.evaluation.metrics import Metric
from include.evaluation.sketch import REFERENCE, Reference, prediction_names
from include.features.affected import defined_by, digest
from include.features.asked import asked_days, asked_since
from include.features.build import compute_rows
from include.features.query import PREDICTION_TIME
from include.registry.champion import read_beside_model
from include.registry.records.chain import read_all
from include.training.target import encode_target
from include.workflows.monitor.lines import (
    HoldoutMetric,
    Line,
    feature_lines,
    metric_lines,
    prediction_lines,
    volume_line,
    without_reference,
)
from include.workflows.monitor.plan import Window
from include.workflows.monitor.report import monitoring_table, summary, worst_first

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.registry.champion import Champion
    from include.workflows.monitor.plan import MonitoringPlan

log = logging.getLogger(__name__)

#: Raised where the same inputs give other lines than before.
MADE_BY = 1


def measure_drift(pipeline: Pipeline, plan: MonitoringPlan) -> dict[str, Any]:
    """Measure by a plan, publish what was found as the day's rows, log it, and return it.

    An alert is no failure. The same plan again publishes nothing new.

    Returns
    -------
    dict
        `as_of`, the champion's `version`, the `table` as text, a `summary`, the `alerts` as `Line.to_json` gives
        them, and the `uri` of the table.

    Raises
    ------
    FeatureQueryFailed, ModelRefused, TrackingUnavailable, PublishConflict, LakeError
        With the table as it was.
    """
    lines = worst_first(find_lines(pipeline, plan))
    uri, version = lake.monitoring_uri(pipeline.name), plan.champion.version
    published = lake.publish_monitoring(
        uri,
        plan.as_of.isoformat(),
        _rows(lines, version),
        _build(pipeline, plan),
        {"run_key": plan.run_key, "champion": version, "predictions": plan.predictions, "snapshot": plan.snapshot},
        moment=plan.moment,
    )
    table, told = monitoring_table(lines), summary(lines)
    log.info("%s: as of %s, beside version %s:", pipeline.name, plan.as_of, version)
    for line in table.splitlines():
        log.info("%s", line)
    log.info("%s: %s; version %s of %s", pipeline.name, told, published.version, uri)
    return {
        "as_of": plan.as_of.isoformat(),
        "version": version,
        "table": table,
        "summary": told,
        "alerts": [line.to_json() for line in lines if line.state == "alert"],
        "uri": uri,
    }


def find_lines(pipeline: Pipeline, plan: MonitoringPlan) -> list[Line]:
    """Return all that there is to say as of a plan's day."""
    limits, as_of = pipeline.monitoring, plan.as_of
    window = Window.of(as_of, limits.window_days, pipeline.training.gap_days)
    rows = compute_rows(pipeline, plan.snapshot, as_of, midnight(window.since)).to_pandas()
    predicted = _predicted(pipeline, plan, window)
    asked = _asked_since(pipeline, plan, rows, window.first)
    lines = [_volume_line(pipeline, plan, asked, predicted)]
    reference = _reference(plan.champion)
    if reference is None:
        lines += without_reference(plan.champion.version)
    else:
        own = _of_champion(predicted, plan)
        of_window = own[own["ds"] >= window.first.isoformat()]
        lines += feature_lines(asked, reference, limits) + prediction_lines(of_window, reference, limits)
    return lines + _metric_lines(pipeline, plan, window, rows, predicted, reference)


def _volume_line(pipeline: Pipeline, plan: MonitoringPlan, asked: pd.DataFrame, predicted: pd.DataFrame) -> Line:
    """Hold the predictions against the rows that are asked, from the first day on that was predicted at all."""
    import pandas as pd

    published = []
    if plan.predictions is not None:
        published = lake.days_with_rows(lake.predictions_uri(pipeline.name), plan.predictions)
    if published:
        asked = _asked_since(pipeline, plan, asked, date.fromisoformat(published[0]))
    key = _key(pipeline)
    missing = ~pd.MultiIndex.from_frame(asked[key]).isin(pd.MultiIndex.from_frame(predicted[key]))
    days = asked_days(pipeline, plan.snapshot, asked[missing]) if published else []
    return volume_line(len(asked), days, f"{pipeline.name}.score", predicts=bool(published))


def _asked_since(pipeline: Pipeline, plan: MonitoringPlan, rows: pd.DataFrame, day: date) -> pd.DataFrame:
    """Return the rows that the runs as of a day and of later ones predict."""
    return rows[asked_since(pipeline, plan.snapshot, rows, day)]


def _metric_lines(
    pipeline: Pipeline,
    plan: MonitoringPlan,
    window: Window,
    rows: pd.DataFrame,
    predicted: pd.DataFrame,
    reference: Reference | None,
) -> list[Line]:
    """Hold the champion's predictions against the labels that came; rows that it did not predict are left out."""
    import numpy as np

    training, label = pipeline.training, pipeline.features.label
    measure = Metric.of(training, plan.champion.threshold)
    classes = reference.classes if reference else None
    if (training.task == "multiclass") != (classes is not None):  # or the champion answers another question
        return without_reference(plan.champion.version, ("metric",))
    time = rows[PREDICTION_TIME]
    labels = rows[(time >= midnight(window.first_known)) & (time < end_of(window.last_known))].set_index(_key(pipeline))
    found = _of_champion(predicted, plan).set_index(_key(pipeline))
    found = found[found.index.isin(labels.index)]
    labels = labels[label].dropna()
    unlabelled = int((~found.index.isin(labels.index)).sum())
    found = found[found.index.isin(labels.index)]
    y_true = encode_target(training, labels.reindex(found.index), classes)
    if classes:
        of_classes = np.isfinite(y_true)
        if not of_classes.all():
            log.warning(
                "%s: %s of %s labels are of classes that the champion does not know, and are left out of its metric",
                *(pipeline.name, f"{(~of_classes).sum():,}", f"{len(found):,}"),
            )
        found, y_true = found[of_classes], y_true[of_classes]
    return metric_lines(
        measure,
        y_true,
        _probabilities(found, classes) if classes else found["prediction"].to_numpy(dtype="float64", na_value=np.nan),
        calendar_days(np.asarray(found.index.get_level_values(PREDICTION_TIME))).astype(str),
        holdout=holdout_metric(pipeline.name, plan.champion.version),
        gate=pipeline.gate,
        min_rows=pipeline.monitoring.min_rows,
        seed=training.seed,
        unlabelled=unlabelled,
    )


def holdout_metric(name: str, version: int) -> HoldoutMetric | None:
    """Return a version's metric on its holdout, as the record of its run has it; None where there is none to read."""
    try:
        records = read_all(name)
    except LakeError as error:
        log.warning("%s: its metric on the holdout is not known, since a record cannot be read: %s", name, error)
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


def _reference(champion: Champion) -> Reference | None:
    """Return the champion's reference; None of one that was registered by a release that kept none, or another."""
    content = read_beside_model(champion, REFERENCE)
    if content is None:
        return None
    try:
        return Reference.from_json(json.loads(content))
    except (ValueError, TypeError) as error:
        log.warning("%s of version %s is not as this release writes it: %s", REFERENCE, champion.version, error)
        return None


def _predicted(pipeline: Pipeline, plan: MonitoringPlan, window: Window) -> pd.DataFrame:
    """Return what was predicted of the window's rows, with the day of the run that did."""
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
            "starts a new one"
        )
    return found.to_pandas()


def _of_champion(predicted: pd.DataFrame, plan: MonitoringPlan) -> pd.DataFrame:
    """Return the champion's own predictions: what an earlier one has said is not held against this one's holdout."""
    return predicted[predicted["model_version"] == plan.champion.version]


def _probabilities(found: pd.DataFrame, classes: list[Any]) -> np.ndarray:
    """Return the probabilities of the champion's classes, of shape (n_rows, n_classes), each row with the sum 1.

    Rows may be another version's, that knew a class less or one more.
    """
    import numpy as np

    given = found.reindex(columns=prediction_names(classes)).fillna(0.0).to_numpy(dtype="float64")
    total = given.sum(axis=1, keepdims=True)
    return np.where(total > 0, given / np.where(total > 0, total, 1), 1 / len(classes))


def _key(pipeline: Pipeline) -> list[str]:
    return list(dict.fromkeys([*pipeline.features.key, PREDICTION_TIME]))


def _rows(lines: list[Line], version: int) -> pa.Table:
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
    return pa.Table.from_pylist([line.to_json() | {"model_version": version} for line in lines], schema=schema)


def _build(pipeline: Pipeline, plan: MonitoringPlan) -> str:
    """Return a digest of all that the lines follow from."""
    sections = (pipeline.training, pipeline.gate, pipeline.monitoring)
    return digest(
        [MADE_BY, plan.to_json(), *defined_by(pipeline), *(each.model_dump(mode="json") for each in sections)]
    )
