"""The importance of a feature is what the metric loses without it, within the rows and seconds that it may take."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.inspection import permutation_importance as of_sklearn

from include.evaluation.importance import permutation_importance
from include.evaluation.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

MAE = Metric("regression", "mae")
COLUMNS = ["strong", "weak", "noise", "kind"]


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return features that matter much, a little, not at all, and by category."""
    draw = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "strong": draw.normal(size=400),
            "weak": draw.normal(size=400),
            "noise": draw.normal(size=400),
            "kind": pd.Categorical(draw.choice(["a", "b"], 400)),
        }
    )


def predict(frame: pd.DataFrame) -> np.ndarray:
    """Return what the model of these tests says."""
    return (10 * frame["strong"] + frame["weak"] + 3 * (frame["kind"] == "a")).to_numpy("float64")


def test_the_features_that_matter_come_first_and_noise_has_no_importance(frame: pd.DataFrame) -> None:
    """The order is that of the coefficients, and shuffling what is not used costs exactly nothing."""
    found = permutation_importance(predict, frame, predict(frame), COLUMNS, MAE, seed=1)

    assert [each.feature for each in found] == ["strong", "kind", "weak", "noise"]
    assert found[0].mean > 5 * found[2].mean > 0
    assert (found[-1].mean, found[-1].std) == (0, 0)
    assert found[0].std > 0


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
def test_worse_is_positive_whichever_way_the_metric_goes(frame: pd.DataFrame, metric: str) -> None:
    """Whether higher or lower is better, getting worse counts as importance."""

    def probability(frame: pd.DataFrame) -> np.ndarray:
        return 1 / (1 + np.exp(-frame["strong"].to_numpy()))

    y = (frame["strong"] > 0).to_numpy("float64")

    found = permutation_importance(probability, frame, y, ["strong"], Metric("binary", metric))

    assert found[0].mean > 0.1


def test_it_agrees_with_scikit_learn(frame: pd.DataFrame) -> None:
    """Over many repeats both estimate the same value, whatever the order of the shuffles."""
    columns = ["strong", "weak", "noise"]
    y = predict(frame)
    model = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(frame[columns], y)

    ours = permutation_importance(lambda rows: model.predict(rows[columns]), frame, y, columns, MAE, repeats=30, seed=1)
    theirs = of_sklearn(model, frame[columns], y, scoring="neg_mean_absolute_error", n_repeats=30, random_state=2)

    expected = dict(zip(columns, theirs.importances_mean, strict=True))
    assert {each.feature: each.mean for each in ours} == pytest.approx(expected, rel=0.05, abs=0.02)


def test_the_same_seed_says_the_same_and_the_frame_stays_as_it_was(frame: pd.DataFrame) -> None:
    """A run that is repeated has the same figures, and its rows are not touched."""
    before = frame.copy(deep=True)

    first, again, other = (
        permutation_importance(predict, frame, predict(frame), COLUMNS, MAE, seed=n) for n in (1, 1, 2)
    )

    assert first == again != other
    pd.testing.assert_frame_equal(frame, before)


def test_no_more_rows_are_predicted_than_allowed(frame: pd.DataFrame) -> None:
    """A large holdout is sampled, and labels stay with their rows."""
    seen: list[int] = []

    def counting(rows: pd.DataFrame) -> np.ndarray:
        seen.append(len(rows))
        return predict(rows)

    found = permutation_importance(counting, frame, predict(frame), COLUMNS, MAE, repeats=2, max_rows=50)

    assert seen == [50] * (1 + 2 * len(COLUMNS))
    assert found[-1].mean == 0, "with labels of other rows, noise would not be worth exactly nothing"


@pytest.mark.parametrize(("shuffles", "named"), [(0, 0), (2, 2), (6, 4)])
def test_the_results_so_far_are_returned_when_the_time_is_over(
    frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, shuffles: int, named: int
) -> None:
    """Each column is shuffled once before one is shuffled again, so that a short time covers many columns."""
    calls: list[int] = []
    monkeypatch.setattr(time, "monotonic", lambda: float(len(calls)))

    def counting(rows: pd.DataFrame) -> np.ndarray:
        calls.append(1)
        return predict(rows)

    found = permutation_importance(counting, frame, predict(frame), COLUMNS, MAE, repeats=3, seconds=1 + shuffles)

    assert len(calls) == 1 + shuffles
    assert len(found) == named


@pytest.mark.parametrize("broken", [lambda rows: np.full(len(rows), math.nan), predict])
def test_an_undefined_metric_leaves_no_importance(
    frame: pd.DataFrame, broken: Callable[[pd.DataFrame], np.ndarray]
) -> None:
    """A model that predicts NaN, or no rows at all, gives no figures rather than wrong ones."""
    rows = frame if broken is not predict else frame.head(0)

    assert permutation_importance(broken, rows, predict(rows), COLUMNS, MAE) == []


def test_figures_are_json(frame: pd.DataFrame) -> None:
    """They are written beside the run's other documents."""
    found = permutation_importance(predict, frame, predict(frame), ["noise"], MAE)

    assert json.loads(json.dumps([each.to_json() for each in found])) == [{"feature": "noise", "mean": 0.0, "std": 0.0}]
