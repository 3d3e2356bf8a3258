"""Evidence is measured on the same rows for all, and survives being written to a file."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from include.config import Pipeline
from include.evaluation.evidence import Evidence, Holdout, Opponent, baseline_predictions, collect_evidence
from include.evaluation.gate import decide
from include.evaluation.metrics import all_metrics
from include.training_config import METRICS
from tests import factories

NAN = math.nan
LABELS = np.array([0.0, 0.0, 1.0, 4.0])


def _pipeline(metric: str = "mae", baseline: str = "prior") -> Pipeline:
    fields = yaml.safe_load(factories.SHOP_YAML)
    task = "regression" if metric in METRICS["regression"] else "binary"
    fields["training"] |= {"task": task, "metric": metric}
    fields["gate"]["baseline"] = baseline
    pipeline = Pipeline.model_validate(fields)
    pipeline._folder = Path("shop")
    return pipeline


def _collected(pipeline: Pipeline, **changes: Any) -> Evidence:
    """Collect evidence of 200 rows in 10 days, in which challenger, champion and baseline differ."""
    draw = np.random.default_rng(7)
    y_true = draw.normal(10, 3, 200)
    if pipeline.training.task == "binary":
        y_true = (y_true > 10).astype("float64")
    fields: dict[str, Any] = {
        "y_true": y_true,
        "days": np.repeat([f"2024-02-{day:02}" for day in range(1, 11)], 20),
        "challenger": 0.9 * y_true + 0.05,
        "baseline": np.full(200, y_true.mean()),
        "champion": 0.5 * y_true + 0.2,
        "champion_error": None,
        "challenger_is": {
            "family": "linear",
            "as_of": "2024-02-11",
            "train_start": "2023-11-01",
            "train_end": "2024-01-30",
        },
        "champion_is": {"version": 3, "as_of": "2024-01-31", "train_end": "2024-01-01", "family": "lightgbm"},
        "holdout_days": ("2024-02-01", "2024-02-10"),
    }
    return collect_evidence(pipeline, **fields | changes)


def _through_a_file(evidence: Evidence) -> Evidence:
    return Evidence.from_json(json.loads(json.dumps(evidence.to_json(), allow_nan=False)))


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(factories.evidence(), id="with a champion"),
        pytest.param(factories.evidence(champion=None), id="no champion"),
        pytest.param(
            factories.evidence(champion=Opponent("version 3", None, None, "2024-01-31", "2024-01-01", "no column x")),
            id="a champion that cannot be scored",
        ),
    ],
)
def test_what_was_written_is_read(evidence: Evidence) -> None:
    """Every field comes back from JSON as it was."""
    assert _through_a_file(evidence) == evidence


def test_nan_is_written_as_null_and_read_as_nan() -> None:
    """NaN is not JSON, so it is null in the file, and a NaN again in every place that it can be in."""
    undefined = factories.difference(NAN, NAN, NAN)
    evidence = factories.evidence(
        holdout=Holdout("2024-02-01", "2024-02-28", rows=0, days=0, label_mean=NAN),
        challenger=factories.challenger(NAN, finite=False),
        baseline=Opponent("prior", {"roc_auc": 0.5, "log_loss": NAN}, undefined),
        champion=replace(factories.champion(), metrics={"roc_auc": NAN}, difference=undefined),
    )

    read = _through_a_file(evidence)

    assert "NaN" not in json.dumps(evidence.to_json())
    assert read.champion is not None
    numbers = [
        read.holdout.label_mean,
        read.challenger.metrics["roc_auc"],
        read.baseline.metrics["log_loss"],
        read.champion.metrics["roc_auc"],
        read.baseline.difference.low,
        read.champion.difference.value,
    ]
    assert all(isinstance(number, float) and math.isnan(number) for number in numbers)
    assert read.baseline.metrics["roc_auc"] == 0.5
    assert read.baseline.difference.blocks == 28


def test_the_verdict_is_the_same_after_a_file() -> None:
    """The gate decides the same about evidence that a later task has read."""
    gate = _pipeline().gate.model_copy(update={"minimum": 0.6})
    for evidence in (factories.evidence(), factories.evidence(challenger=factories.challenger(NAN))):
        assert decide(_through_a_file(evidence), gate) == decide(evidence, gate)


@pytest.mark.parametrize(
    ("metric", "prior"), [("rmse", 1.25), ("r2", 1.25), ("mae", 0.5), ("roc_auc", 1.25), ("log_loss", 1.25)]
)
def test_the_prior_is_the_mean_or_the_median_for_the_absolute_error(metric: str, prior: float) -> None:
    """Without a feature the best guess is the mean of the labels learned from, and for mae their median."""
    holdout = pd.DataFrame({"label": [9.0, 9.0, 9.0]})

    assert baseline_predictions(_pipeline(metric), LABELS, holdout).tolist() == [prior] * 3


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([3.0, NAN, 5.0], id="NaN"),
        pytest.param([3.0, math.inf, 5.0], id="infinity"),
        pytest.param(pd.array([3, None, 5], dtype="Int64"), id="null among whole numbers"),
    ],
)
def test_a_feature_as_baseline_falls_back_to_the_prior(values: object) -> None:
    """Where the feature is missing, the prior stands in, so the baseline has a number for every row."""
    pipeline = _pipeline("rmse", baseline="revenue_last_day")
    holdout = pd.DataFrame({"revenue_last_day": values})

    assert baseline_predictions(pipeline, LABELS, holdout).tolist() == [3.0, 1.25, 5.0]


@pytest.mark.parametrize("metric", ["mae", "r2", "roc_auc", "log_loss"])
def test_all_are_measured_on_the_same_rows(metric: str) -> None:
    """Challenger, baseline and champion have every metric of the task, and differences in the gate's."""
    pipeline = _pipeline(metric)
    task = pipeline.training.task

    evidence = _collected(pipeline)

    assert evidence.champion is not None
    names = list(METRICS[task])
    assert [list(each.metrics) for each in (evidence.challenger, evidence.baseline, evidence.champion)] == [names] * 3
    assert evidence.metric == metric
    assert evidence.higher_is_better is METRICS[task][metric]
    for opponent in (evidence.baseline, evidence.champion):
        gained = evidence.challenger.metrics[metric] - opponent.metrics[metric]
        assert opponent.difference.value == pytest.approx(gained if evidence.higher_is_better else -gained)
        assert (opponent.difference.rounds, opponent.difference.blocks) == (200, 10)
    assert (evidence.holdout.rows, evidence.holdout.days) == (200, 10)
    assert (evidence.champion.name, evidence.champion.as_of) == ("version 3", "2024-01-31")


def test_the_metrics_are_of_the_predictions() -> None:
    """What the evidence says of the challenger is what its predictions come to."""
    evidence = _collected(_pipeline("rmse"), challenger=np.full(200, 10.0))
    y_true = np.random.default_rng(7).normal(10, 3, 200)

    assert evidence.challenger.metrics == all_metrics("regression", y_true, np.full(200, 10.0))
    assert evidence.holdout.label_mean == pytest.approx(y_true.mean())


def test_no_champion_is_no_opponent() -> None:
    """Before the first promotion there is only the baseline to compare with."""
    assert _collected(_pipeline(), champion=None, champion_is=None).champion is None


def test_a_champion_that_cannot_be_scored_keeps_its_name_and_its_reason() -> None:
    """The evidence says which version could not predict, and why, and has no numbers for it."""
    champion = _collected(_pipeline(), champion=None, champion_error="EvaluationFailed: no column x").champion

    assert champion is not None
    assert (champion.name, champion.error) == ("version 3", "EvaluationFailed: no column x")
    assert champion.metrics is champion.difference is None


@pytest.mark.parametrize("unusable", [NAN, math.inf])
def test_one_prediction_that_is_no_number_is_noticed(unusable: float) -> None:
    """One NaN or infinity is told, and leaves the challenger without a metric and without a difference."""
    predicted = np.full(200, 10.0)
    predicted[17] = unusable

    evidence = _collected(_pipeline(), challenger=predicted)

    assert not evidence.challenger.finite
    assert math.isnan(evidence.challenger.metrics["mae"])
    assert math.isnan(evidence.baseline.difference.value)
    assert not math.isnan(evidence.baseline.metrics["mae"])


def test_the_same_rows_give_the_same_evidence() -> None:
    """Evidence that is collected twice is the same to the last bit."""
    assert _collected(_pipeline()) == _collected(_pipeline())
