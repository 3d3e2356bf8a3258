"""Seeded rows of some days, and the predictions of a good and a worse model, for the tests of every task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from include.config.training import METRICS
from include.evaluation.metrics import Metric
from include.evaluation.paired_bootstrap import PairedDifference, paired_difference

#: Every metric of every task whose metrics are its own, at settings that are not the defaults.
METRICS_UNDER_TEST = [
    Metric(task, metric, quantile=0.8, threshold=0.4)
    for task in ("binary", "multiclass", "regression")
    for metric in METRICS[task]
]
each_measure = pytest.mark.parametrize("measure", METRICS_UNDER_TEST, ids=lambda each: f"{each.task} {each.name}")


def named(task: str, metric: str) -> Metric:
    """Return one of the metrics under test."""
    (found,) = [measure for measure in METRICS_UNDER_TEST if (measure.task, measure.name) == (task, metric)]
    return found


class Rows:
    """Labels of some days, and the predictions of a good and a worse model."""

    def __init__(self, task: str, seed: int = 7, days: int = 14, rows: int = 700, classes: int = 4) -> None:
        draw = np.random.default_rng(seed)
        self.task = task
        self.day = np.sort(np.append(np.arange(days), draw.integers(0, days, rows - days)))
        self.days = (np.datetime64("2024-02-01") + self.day).astype(str)
        truth = draw.normal(size=rows) + 0.3 * np.sin(self.day)
        if task == "binary":
            self.y_true = (truth + draw.normal(0, 0.5, rows) > 0).astype("float64")
            # scaled by 3.4 the logistic curve is close to the normal one, so the good model is calibrated too
            noisy = (truth + draw.normal(0, noise, rows) for noise in (0.03, 0.6))
            self.good, self.worse = (1 / (1 + np.exp(-3.4 * each)) for each in noisy)
        elif task == "multiclass":
            of_class = truth[:, None] * np.linspace(-2, 2, classes) + draw.normal(size=(rows, classes))
            self.y_true = (of_class + draw.gumbel(size=of_class.shape)).argmax(axis=1).astype("float64")
            self.good, self.worse = (_softmax(of_class + draw.normal(0, noise, of_class.shape)) for noise in (0.1, 2))
        else:
            self.y_true = 50 + 10 * truth
            self.good, self.worse = (self.y_true + draw.normal(0, noise, rows) for noise in (1, 6))

    def tied(self, predicted: np.ndarray) -> np.ndarray:
        """Return predictions with many ties, none of them certain."""
        if self.task == "regression":
            return np.round(predicted, 1)
        if self.task == "binary":
            return np.round(predicted, 1).clip(0.05, 0.95)
        rounded = np.round(predicted, 1) + 0.05
        return rounded / rounded.sum(axis=1, keepdims=True)

    def blurred(self, predicted: np.ndarray, by: float, seed: int) -> np.ndarray:
        """Return predictions with noise of about this size added."""
        noisy = predicted + np.random.default_rng(seed).normal(0, by, predicted.shape)
        if self.task == "regression":
            return noisy
        clipped = noisy.clip(1e-6, 1)
        return clipped if self.task == "binary" else clipped / clipped.sum(axis=1, keepdims=True)

    def certain(self, predicted: np.ndarray) -> np.ndarray:
        """Return certain predictions: only probabilities of 0 and 1, and whole values."""
        if self.task == "multiclass":
            return np.eye(predicted.shape[1])[predicted.argmax(axis=1)]
        return np.round(predicted)

    def difference(self, measure: Metric, first: np.ndarray, second: np.ndarray, **changes: Any) -> PairedDifference:
        """Compare two predictions of these rows."""
        how = {"rounds": 200, "confidence": 0.95, "seed": 7} | changes
        return paired_difference(measure, self.y_true, self.days, first, second, **how)


def at(measure: Metric, threshold: float) -> Metric:
    """Return the metric at another threshold."""
    return replace(measure, threshold=threshold)


def _softmax(values: np.ndarray) -> np.ndarray:
    above = np.exp(values - values.max(axis=1, keepdims=True))
    return above / above.sum(axis=1, keepdims=True)
