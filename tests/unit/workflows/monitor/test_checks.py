"""All checks judge the same days; each has a kind of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from include.config.loader import load_pipeline
from include.evaluation.metrics import Metric
from include.workflows.monitor.check import HoldoutMetric, MonitoredDays
from include.workflows.monitor.checks import CHECKS, judge_days, reasons_to_retrain

if TYPE_CHECKING:
    from pathlib import Path


def test_a_champion_without_a_reference_says_to_retrain(shop: Path) -> None:
    """Each check that needs the reference has one result, and none is an alert."""
    pipeline, nothing = load_pipeline("shop"), pd.DataFrame()
    days = MonitoredDays(
        pipeline=pipeline,
        version=3,
        rows=nothing,
        rows_to_predict=0,
        unpredicted=None,
        predictions=nothing,
        reference=None,
        metric=Metric.of(pipeline.training),
        labelled=None,
        holdout=HoldoutMetric("mae", 5.0),
    )

    results = {f"{result.kind} {result.name}": result for result in judge_days(days)}

    assert {name: result.state for name, result in results.items()} == {
        "volume predictions": "unknown",
        "metric all": "unknown",
        "prediction_shift all": "unknown",
        "feature_shift all": "unknown",
        "nulls all": "unknown",
    }
    assert results["nulls all"].sentence == (
        "version 3 has no reference sketch that this release can read; this check stays unknown until the next "
        "promotion; retrain once"
    )


def test_each_check_has_a_kind_of_its_own() -> None:
    """The column `kind` of the table tells which check made a row."""
    assert len({check.kind for check in CHECKS}) == len(CHECKS)


def test_drift_and_a_worse_metric_are_reasons_to_retrain() -> None:
    """Missing predictions and missing values have other remedies."""
    alerts = [
        {"kind": kind, "name": "x"} for kind in ("volume", "metric", "prediction_shift", "feature_shift", "nulls")
    ]

    assert reasons_to_retrain(alerts) == ["metric x", "prediction_shift x", "feature_shift x"]
    assert reasons_to_retrain([alerts[0], alerts[-1]]) == []
