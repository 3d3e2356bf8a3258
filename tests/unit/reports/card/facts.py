"""What a run of each task leaves for its card."""

from __future__ import annotations

from typing import Any

import yaml

from include.config.pipeline import Pipeline
from include.evaluation.calibration import measure_calibration
from include.evaluation.curves import measure_curves
from include.evaluation.metrics import Metric, all_metrics
from include.gate.verdict import decide
from tests import factories
from tests.unit.evaluation.compared import Rows

METRIC = {"binary": "roc_auc", "multiclass": "log_loss"}
CLASSES = ["small", "middle", "large", "huge"]


def shop_of(task: str, folder: Any, **gate: Any) -> Pipeline:
    """Return the shop's pipeline for a task."""
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["training"] |= {"task": task, "metric": METRIC.get(task, "mae")}
    fields["training"] |= {"horizon_days": 2, "gap_days": 2} if task == "forecasting" else {}
    fields["gate"] |= gate
    pipeline = Pipeline.model_validate(fields)
    pipeline._folder = folder / "shop"
    return pipeline


def facts_of(pipeline: Pipeline, champion: bool = True, **changes: Any) -> dict[str, Any]:
    """Return a run's documents, with some of them changed; what is drawn is measured on seeded rows."""
    training, gate = pipeline.training, pipeline.gate
    task, measure = training.task, Metric.of(training)
    rows = Rows("regression" if task == "forecasting" else task)
    noise: dict[str, Any] = {"rounds": 200, "confidence": gate.confidence, "seed": 7}
    theirs = rows.worse if champion else None
    metrics = all_metrics(measure, rows.y_true, rows.good)
    opponent = factories.champion(metrics=all_metrics(measure, rows.y_true, rows.worse)) if champion else None
    evidence = factories.evidence(
        metric=training.metric,
        higher_is_better=Metric.of(training).higher_is_better,
        champion=opponent,
        challenger=factories.challenger(metrics=metrics),
        calibration=measure_calibration(measure, rows.y_true, rows.days, rows.good, theirs, **noise),
    )
    curves = measure_curves(
        *(measure, rows.y_true, rows.days, rows.good, theirs),
        **noise,
        classes=CLASSES if task == "multiclass" else None,
    )
    names = ["revenue_mean_7d", "weekday", "store"]
    points = [[(at - 15) / 10 + 0.03 * (at % 7), at / 30] for at in range(31)]
    return {
        "plan": {
            "as_of": "2024-02-29",
            "snapshot": {"sales": 3},
            "code_version": "abc123",
            "lock": "def456",
            "seed": 7,
            "run_key": "manual-1",
        },
        "challenger": {
            "family": "lightgbm",
            "members": [{"family": "lightgbm", "weight": 1.0, "params": {}}],
            "calibration": "none",
            "train_start": "2023-03-01",
            "train_end": "2024-01-30",
            "rows": 12_345,
            "threshold": {"value": 0.4} if task == "binary" else None,
            "features": names,
            "reasons": ["lightgbm alone: there is no other candidate"],
        },
        "evidence": evidence.to_json(),
        "verdict": decide(evidence, gate).to_json(),
        "features": {"version": 4, "rows": 20_000, "labelled_rows": 19_000},
        "importance": [{"feature": name, "mean": 0.1 / (at + 1) - 0.034, "std": 0.01} for at, name in enumerate(names)],
        "curves": curves.to_json(),
        "contributions": {
            "unit": "log-odds" if task == "binary" else "value",
            "method": "TreeSHAP",
            "before_calibration": False,
            "rows": 500,
            "base": -0.4,
            "features": [
                {"feature": names[0], "mean": 0.8, "direction": 0.97, "points": points},
                {"feature": names[1], "mean": 0.2, "direction": -0.1, "points": [[x / 5, y] for x, y in points[::-1]]},
                {"feature": names[2], "mean": 0.1, "direction": None, "points": [[x / 9, None] for x, _ in points]},
            ],
        },
    } | changes
