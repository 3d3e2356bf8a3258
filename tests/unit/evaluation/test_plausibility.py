"""A feature that is the label in other words is found, whatever its type; chance explains nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from include.evaluation.plausibility import MAX_ROWS, measure_plausibility

if TYPE_CHECKING:
    from include.config.training import Task
    from include.evaluation.plausibility import Plausibility

ROWS = 4000


def _measured(
    y: np.ndarray, task: Task = "binary", predictions: np.ndarray | None = None, **features: object
) -> Plausibility:
    """Measure features against a label; the default predictions are those of a useless model."""
    predictions = np.full(len(y), 0.5) if predictions is None else predictions
    return measure_plausibility(task, pd.DataFrame(features), list(features), y, predictions, seed=1)


def _labels(share: float = 0.3, rows: int = ROWS) -> np.ndarray:
    return (np.random.default_rng(1).random(rows) < share).astype("float64")


def _noise(rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(2).normal(size=rows)


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(lambda y: y, id="itself"),
        pytest.param(lambda y: y == 1, id="a truth value"),
        pytest.param(lambda y: 1000 - 3 * y, id="another scale"),
        pytest.param(lambda y: np.where(y == 1, "returned", "kept"), id="text"),
        pytest.param(lambda y: pd.Categorical(np.where(y == 1, "returned", "kept")), id="a category"),
        pytest.param(lambda y: np.where(y == 1, np.nan, 3.0), id="missing"),
        pytest.param(lambda y: np.where(y == 1, None, "2024-03-01"), id="missing text"),
        pytest.param(lambda y: pd.array(np.where(y == 1, None, 3), dtype="Int64"), id="missing whole number"),
    ],
)
def test_a_feature_that_is_the_label_is_found(leak: object) -> None:
    """A feature of any type that determines the label explains all of it, and is named."""
    y = _labels()

    found = _measured(y, noise=_noise(), leak=leak(y), weekday=np.arange(ROWS) % 7)  # type: ignore[operator]

    assert found.feature == "leak"
    assert found.explained == pytest.approx(1)


@pytest.mark.parametrize(
    "feature",
    [
        pytest.param(_noise(), id="a number"),
        pytest.param([f"customer {number}" for number in range(ROWS)], id="a value for each row"),
        pytest.param([f"customer {number % 1500}" for number in range(ROWS)], id="many categories"),
        pytest.param(np.arange(ROWS) % 7, id="few values"),
        pytest.param(np.full(ROWS, np.nan), id="none at all"),
        pytest.param(np.ones(ROWS), id="a constant"),
    ],
)
def test_chance_explains_nothing(feature: object) -> None:
    """A feature that has nothing to do with the label explains none of it, however many values it has."""
    assert _measured(_labels(), feature=feature).explained < 0.02


def test_the_share_is_that_of_the_variance() -> None:
    """Of a label that is a step of a feature and as much noise, the feature explains half."""
    step = np.repeat([0.0, 2.0], ROWS // 2)

    found = _measured(step + _noise(), "regression", feature=step)

    assert found.explained == pytest.approx(0.5, abs=0.1)


def test_a_number_that_is_the_label_of_a_regression_is_found() -> None:
    """The label in another unit explains nearly all, although its values are grouped by quantiles."""
    y = np.random.default_rng(3).uniform(10, 500, ROWS)

    found = _measured(y, "regression", cents=100 * y, noise=_noise())

    assert found.feature == "cents"
    assert found.explained > 0.99


def test_a_feature_that_is_the_class_is_found() -> None:
    """Of several classes, codes in another order explain all, and one that knows a single class only a part."""
    y = np.random.default_rng(4).integers(0, 4, ROWS)
    predictions = np.eye(4)[y]

    found = _measured(y, "multiclass", predictions, code=np.array([30, 10, 40, 20])[y], first=y == 0)

    assert (found.feature, found.explained) == ("code", pytest.approx(1))
    assert found.challenger == pytest.approx(1)
    assert 0.2 < _measured(y, "multiclass", predictions, first=y == 0).explained < 0.5


def test_the_challenger_is_measured_by_its_predictions() -> None:
    """Predictions that know the label explain it, those that do not explain nothing, and a NaN is not known."""
    y = _labels()

    assert _measured(y, predictions=0.2 + 0.5 * y, noise=_noise()).challenger == pytest.approx(1)
    assert _measured(y, predictions=_noise(), noise=_noise()).challenger < 0.02
    assert math.isnan(_measured(y, predictions=np.where(y == 1, np.nan, 0.2), noise=_noise()).challenger)


def test_a_label_that_is_constant_has_nothing_to_explain() -> None:
    """Where all held-out labels are equal, and where there are none, the share is a NaN and no error."""
    assert math.isnan(_measured(np.ones(ROWS), noise=_noise()).explained)
    assert math.isnan(_measured(np.empty(0), noise=np.empty(0)).explained)


def test_a_model_without_features_has_no_strongest_one() -> None:
    """Nothing is named where there is nothing."""
    found = _measured(_labels(), predictions=_labels())

    assert (found.feature, math.isnan(found.explained)) == (None, True)


def test_many_rows_are_sampled_by_the_seed() -> None:
    """A large holdout is sampled; the sample is the same each time and finds the same feature."""
    y = _labels(rows=2 * MAX_ROWS)
    frame = pd.DataFrame({"half": np.where(np.arange(len(y)) % 2, y, 0.5), "noise": _noise(len(y))})

    def measured(seed: int) -> Plausibility:
        return measure_plausibility("binary", frame, ["half", "noise"], y, y, seed)

    assert measured(1) == measured(1) != measured(2)
    assert measured(1).feature == measured(2).feature == "half"
    assert measured(1).explained == pytest.approx(measured(2).explained, abs=0.02)


def test_the_frame_is_left_as_it_is() -> None:
    """What is measured on is predicted on again, so nothing of it is changed."""
    y = _labels()
    frame = pd.DataFrame({"noise": _noise(), "text": np.where(y == 1, None, "a")})
    before = frame.copy(deep=True)

    measure_plausibility("binary", frame, ["noise", "text"], y, y, seed=1)

    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_a_leak_is_found_where_a_few_labels_are_far_larger_than_the_others(spread: float) -> None:
    """Sums of money have a long tail, which has most of the variance: the label's ranks are explained, not that."""
    y = np.random.default_rng(3).lognormal(4, spread, ROWS)

    assert _measured(y, "regression", cents=100 * y).explained > 0.99


@pytest.mark.parametrize("share", [0.002, 0.02, 0.05, 0.998])
def test_a_leak_is_found_where_a_class_is_rare(share: float) -> None:
    """A score that identifies a rare class is found, although most rows of its group are of the other."""
    y = _labels(share, 5 * ROWS)

    found = _measured(y, score=1000 * y + _noise(5 * ROWS), noise=_noise(5 * ROWS))

    assert found.feature == "score"
    assert found.explained > 0.98
