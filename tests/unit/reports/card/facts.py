"""What a run of each task leaves for its card."""

from __future__ import annotations

from datetime import date
from typing import Any

import yaml

from include.config.pipeline import Pipeline
from include.evaluation.calibration import measure_calibration
from include.evaluation.curves import measure_curves
from include.evaluation.importance import Importance
from include.evaluation.metrics import Metric, all_metrics
from include.features.build import FeatureTable
from include.gate.verdict import decide
from include.reports.card.described_run import DescribedRun
from include.training.challenger import ChallengerSpec, Member
from include.training.contribution_summary import ContributionSummary, FeatureSummary
from include.training.fitted_challenger import FittedChallenger
from include.training.threshold import ChosenThreshold
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


def described_run(pipeline: Pipeline, champion: bool = True, **changes: Any) -> DescribedRun:
    """Return a run, with some of its results changed; what is drawn is measured on seeded rows."""
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
    points: list[tuple[float, float | None]] = [((at - 15) / 10 + 0.03 * (at % 7), at / 30) for at in range(31)]
    chosen = ChallengerSpec(
        members=[Member("lightgbm", 1.0, {}, None, 0.7)],
        tuning_score=0.7,
        calibration="none",
        threshold=ChosenThreshold(0.4, 0.5, 0.5, 0.5, None, "the best F1") if task == "binary" else None,
        classes=None,
        features=names,
        reasons=["lightgbm alone: there is no other candidate"],
    )
    results: dict[str, Any] = {
        "run_key": "manual-1",
        "as_of": date(2024, 2, 29),
        "snapshot": {"sales": 3},
        "code_version": "abc123",
        "lock": "def456",
        "seed": 7,
        "features": FeatureTable("lake/shop/features", 4, ["store"], 20_000, 19_000, 5, "a1b2"),
        "challenger": FittedChallenger(chosen, "0" * 64, 12_345, date(2023, 3, 1), date(2024, 1, 30), "a1b2"),
        "evidence": evidence,
        "verdict": decide(evidence, gate),
        "importance": [Importance(name, 0.1 / (at + 1) - 0.034, 0.01) for at, name in enumerate(names)],
        "curves": curves,
        "contributions": ContributionSummary(
            unit="log-odds" if task == "binary" else "value",
            method="TreeSHAP",
            before_calibration=False,
            rows=500,
            base=-0.4,
            features=[
                FeatureSummary(names[0], 0.8, 0.97, points),
                FeatureSummary(names[1], 0.2, -0.1, [(x / 5, y) for x, y in points[::-1]]),
                FeatureSummary(names[2], 0.1, None, [(x / 9, None) for x, _ in points]),
            ],
        ),
    }
    return DescribedRun(**results | changes)
