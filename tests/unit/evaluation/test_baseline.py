"""The baseline is the best guess without any fitting."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from include.config.pipeline import Pipeline
from include.evaluation.baseline import baseline_predictions, best_f1_threshold
from include.evaluation.metrics import Metric
from tests import factories

NAN = math.nan
LABELS = np.array([0.0, 0.0, 1.0, 4.0])


def _pipeline(task: str, metric: str, baseline: str = "prior", **training: object) -> Pipeline:
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["training"] |= {"task": task, "metric": metric} | training
    fields["gate"]["baseline"] = baseline
    pipeline = Pipeline.model_validate(fields)
    pipeline._folder = Path("shop")
    return pipeline


@pytest.mark.parametrize(
    ("task", "metric", "prior"),
    [
        ("regression", "rmse", 1.25),
        ("regression", "r2", 1.25),
        ("regression", "mae", 0.5),
        ("regression", "mape", 0.5),
        ("regression", "wape", 0.5),
        ("binary", "roc_auc", 1.25),
        ("binary", "log_loss", 1.25),
    ],
)
def test_the_prior_is_the_mean_or_the_median_for_absolute_errors(task: str, metric: str, prior: float) -> None:
    """Without a feature the best guess is the mean of the labels learned from, and for absolute errors their median."""
    holdout = pd.DataFrame({"label": [9.0, 9.0, 9.0]})

    assert baseline_predictions(_pipeline(task, metric), LABELS, holdout).tolist() == [prior] * 3


@pytest.mark.parametrize(("quantile", "prior"), [(0.5, 50.0), (0.9, 90.0), (0.1, 10.0)])
def test_the_prior_of_pinball_is_the_quantile(quantile: float, prior: float) -> None:
    """Of all constants the quantile of the labels has the least pinball loss."""
    labels, holdout = np.arange(101.0), pd.DataFrame({"label": [9.0, 9.0]})
    pipeline = _pipeline("forecasting", "pinball", quantile=quantile, horizon_days=1)
    measure = Metric("forecasting", "pinball", quantile=quantile)

    found = baseline_predictions(pipeline, labels, holdout)

    assert found.tolist() == pytest.approx([prior] * 2)
    others = [measure.value(labels, np.full(101, constant)) for constant in labels]
    assert measure.value(labels, np.full(101, prior)) == pytest.approx(min(others))


def test_the_prior_of_classes_is_how_frequent_each_is() -> None:
    """Every row has the frequencies of the labels learned from, in the order of the codes."""
    pipeline, holdout = _pipeline("multiclass", "log_loss"), pd.DataFrame({"label": ["a", "b", "c"]})

    found = baseline_predictions(pipeline, np.array([0, 2, 2, 1, 2.0]), holdout)

    assert found.tolist() == [[0.2, 0.2, 0.6]] * 3


def test_a_class_that_was_never_learned_has_a_frequency_of_0() -> None:
    """With the number of classes given, the last ones have a column though no label is theirs."""
    pipeline, holdout = _pipeline("multiclass", "log_loss"), pd.DataFrame({"label": ["a"]})

    found = baseline_predictions(pipeline, np.array([0, 0, 1, 1.0]), holdout, n_classes=4)

    assert found.tolist() == [[0.5, 0.5, 0.0, 0.0]]


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
    pipeline = _pipeline("regression", "rmse", baseline="revenue_last_day")
    holdout = pd.DataFrame({"revenue_last_day": values})

    assert baseline_predictions(pipeline, LABELS, holdout).tolist() == [3.0, 1.25, 5.0]


class TestTheKindestThreshold:
    """The threshold at which a baseline's F1 is greatest."""

    measure = Metric("binary", "f1", threshold=0.99)

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("scale", [1, 1000])
    def test_is_better_than_any_other(self, seed: int, scale: float) -> None:
        """No other value of the feature has a greater F1, on any scale and with ties."""
        draw = np.random.default_rng(seed)
        y_true = (draw.random(200) < 0.3).astype("float64")
        feature = scale * np.round(y_true + draw.normal(0, 1, 200), 1)

        found = best_f1_threshold(self.measure, y_true, feature)

        others = [Metric("binary", "f1", threshold=each).value(y_true, feature) for each in np.unique(feature)]
        assert Metric("binary", "f1", threshold=found).value(y_true, feature) == max(others)

    def test_of_a_constant_is_the_constant(self) -> None:
        """Where all rows have one probability, all are positive."""
        assert best_f1_threshold(self.measure, np.array([0, 0, 1.0]), np.full(3, 1 / 3)) == 1 / 3

    @pytest.mark.parametrize(
        ("y_true", "baseline"),
        [([0, 0], [0.1, 0.2]), ([0, 1], [0.1, NAN]), ([0, NAN], [0.1, 0.2]), ([], [])],
        ids=["no positive", "a NaN", "an unknown label", "no rows"],
    )
    def test_is_the_metrics_own_where_f1_is_undefined(self, y_true: list[float], baseline: list[float]) -> None:
        """Where F1 is not defined at any threshold, nothing is chosen, and nothing fails."""
        assert best_f1_threshold(self.measure, np.array(y_true), np.array(baseline)) == 0.99
