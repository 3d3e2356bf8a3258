"""Candidates are combined only if days that the weights have not seen show an improvement."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline as Model
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from include.config.training import METRICS
from include.core.errors import TrainingImpossible
from include.evaluation.metrics import Metric
from include.training.combine import Combination, build_model, choose_weights, weighted_mean
from include.training.greedy import pick_weights
from include.training.model_file import load_model, save_model

if TYPE_CHECKING:
    from pathlib import Path

MAE = Metric("regression", "mae")
NOISE = {"rounds": 300, "confidence": 0.95, "seed": 7}


@dataclass
class Rows:
    """Labels of three folds of ten days, the sum of two halves that one model each may know."""

    y: np.ndarray
    fold: np.ndarray
    days: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]
    draw: np.random.Generator

    def choose(self, predictions: dict[str, np.ndarray], measure: Metric = MAE, **changes: Any) -> Combination:
        """Choose weights on these rows."""
        return choose_weights(predictions, self.y, self.fold, self.days, measure, **NOISE | changes)

    def noise(self, size: float) -> np.ndarray:
        """Return the error of a model that knows the label but for noise."""
        return self.draw.normal(0, size, len(self.y))


def _rows(seed: int) -> Rows:
    draw = np.random.default_rng(seed)
    day = np.repeat(np.arange(30), 30)
    first, second = draw.normal(size=900), draw.normal(size=900)
    days = np.datetime64("2024-02-01") + day
    return Rows(first + second, day // 10, days, (first, second), draw)


@pytest.fixture
def rows() -> Rows:
    """Return 900 seeded rows."""
    return _rows(7)


def test_two_complementary_models_are_used_together(rows: Rows) -> None:
    """Models with independent errors are better on average, and get about equal weights."""
    predictions = {"linear": rows.y + rows.noise(1), "trees": rows.y + rows.noise(1)}

    found = rows.choose(predictions)

    assert sorted(found.weights) == ["linear", "trees"]
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.weights == pytest.approx({"linear": 0.5, "trees": 0.5}, abs=0.15)
    assert found.difference.low > 0
    assert "a combination has a mae better by 0." in found.reason


@pytest.mark.parametrize(
    ("task", "metric"), [(task, metric) for task, metrics in METRICS.items() for metric in metrics]
)
def test_every_metric_chooses_the_combination_that_is_better_by_it(task: str, metric: str, rows: Rows) -> None:
    """Complementary models are combined for every metric, whatever its direction."""
    first, second = rows.halves
    measure = Metric(task, metric, quantile=0.7)
    if task == "binary":
        rows.y = (rows.y > 0).astype("float64")
        halves = [1 / (1 + np.exp(-2 * half)) for half in (first, second)]
    elif task == "multiclass":
        score = rows.y
        rows.y = np.digitize(score, [-0.7, 0.7]).astype("float64")
        edges = np.array([-1.0, 0.0, 1.0])
        raw = [np.exp(-((half[:, None] - edges) ** 2)) for half in (first, second)]
        halves = [each / each.sum(axis=1, keepdims=True) for each in raw]
    else:
        rows.y = rows.y + 20
        halves = [rows.y + rows.noise(1) for _ in range(2)]

    found = rows.choose(dict(zip(["one", "two"], halves, strict=True)), measure)

    if metric == "calibration_error":
        # a constant has almost no calibration error, so no candidate is better than a constant
        assert list(found.weights) in (["one"], ["two"])
    else:
        assert sorted(found.weights) == ["one", "two"]
        assert found.difference.low > 0


def test_two_equal_models_are_not_combined(rows: Rows) -> None:
    """The mean of equal predictions is no better, so the first model is used alone."""
    predicted = rows.y + rows.noise(1)

    found = rows.choose({"linear": predicted, "trees": predicted.copy()})

    assert found.weights == {"linear": 1.0}
    assert found.reason == "linear alone: no combination is better on the folds before the last"


def test_weights_that_lose_on_the_last_fold_are_not_used(rows: Rows) -> None:
    """A model that memorised the earlier folds gets weight there and makes the last fold worse."""
    early = rows.fold < 2
    learned = np.where(early, rows.y + rows.noise(0.9), rows.y + rows.noise(3))
    steady = rows.y + rows.noise(1)

    found = rows.choose({"steady": steady, "overfitted": learned})

    assert found.weights == {"steady": 1.0}
    assert found.difference.value < 0
    assert "has a mae worse by" in found.reason
    assert found.reason.endswith("and it must be better by more than noise")


def test_a_combination_within_noise_is_not_used() -> None:
    """A combination with almost no difference on the last fold is rarely used; the reason has the interval."""
    used = 0
    for seed in range(20):
        rows = _rows(seed)
        strong = rows.y + rows.noise(1)
        other = np.where(rows.fold < 2, rows.y + rows.noise(1.1), strong + rows.noise(0.05))

        found = rows.choose({"strong": strong, "other": other})

        used += len(found.weights) > 1
        if len(found.weights) == 1:
            assert re.search(r"last fold \(interval -0\.\d+ to .*\), and it must be better by more", found.reason)
    # the true value is beyond each end of the interval in 2.5 of 100, and a little more often with only ten days
    assert used <= 3


def test_the_better_model_gets_more_weight(rows: Rows) -> None:
    """Weights follow the contribution of each model, the greatest first."""
    found = rows.choose({"worse": rows.y + rows.noise(1.2), "better": rows.y + rows.noise(0.9)})

    assert list(found.weights) == ["better", "worse"]
    assert found.weights["better"] > 0.55


def test_a_candidate_far_behind_is_not_considered(rows: Rows) -> None:
    """A constant is left out although it would shrink predictions that overshoot."""
    overshooting = 1.6 * rows.y

    found = rows.choose({"linear": overshooting, "baseline": np.zeros(900)}, Metric("regression", "rmse"))

    assert found.weights == {"linear": 1.0}
    assert found.reason == "linear alone: no combination is better on the folds before the last"


def test_no_more_members_than_allowed(rows: Rows) -> None:
    """Of five helpful models, three are used by default, or the requested number."""
    predictions = {f"model_{number}": rows.y + rows.noise(1) for number in range(5)}

    three, two, one = rows.choose(predictions), *(rows.choose(predictions, max_members=each) for each in (2, 1))

    assert (len(three.weights), len(two.weights), len(one.weights)) == (3, 2, 1)
    assert sum(three.weights.values()) == pytest.approx(1)


def test_the_best_alone_is_the_best_over_all_folds(rows: Rows) -> None:
    """The last fold counts for the single candidate too: leading on the earlier folds is not enough."""
    early = rows.fold < 2
    error = rows.noise(1)
    shared = {"early": rows.y + error * np.where(early, 0.9, 2.0), "late": rows.y + error}

    found = rows.choose(shared)

    assert found.weights == {"late": 1.0}


def test_weights_are_picked_again_on_all_folds(rows: Rows) -> None:
    """After the last fold has judged, it is used too: the weights differ from those of the earlier folds."""
    late = rows.fold == 2
    one, two = rows.y + rows.noise(1), rows.y + rows.noise(1) * np.where(late, 0.8, 1.0)

    predictions = {"one": one, "two": two}

    found = rows.choose(predictions)

    earlier = {name: each[~late] for name, each in predictions.items()}
    of_earlier = pick_weights(earlier, rows.y[~late], rows.fold[~late], MAE, 3, seed=7)
    assert found.weights == pick_weights(predictions, rows.y, rows.fold, MAE, 3, seed=7)
    assert found.weights["two"] > of_earlier["two"]


def test_the_same_rows_give_the_same_choice(rows: Rows) -> None:
    """A repeated choice is the same to the last bit."""
    predictions = {f"model_{number}": rows.y + rows.noise(1 + number / 5) for number in range(4)}

    assert rows.choose(predictions) == rows.choose(predictions)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"fold": lambda rows: np.zeros(900)}, "there is only one fold", id="one fold"),
        pytest.param(
            {"days": lambda rows: np.where(rows.fold == 2, rows.days[-1], rows.days)},
            "the last fold has only one day, and noise cannot be estimated from one day",
            id="one day",
        ),
    ],
)
def test_without_a_fold_to_judge_on_the_best_is_alone(change: dict[str, Any], reason: str, rows: Rows) -> None:
    """Without a later fold of several days there is no evidence for a combination, however good it looks."""
    predictions = {"linear": rows.y + rows.noise(1), "trees": rows.y + rows.noise(1.1)}
    for name, make in change.items():
        setattr(rows, name, make(rows))

    found = rows.choose(predictions)

    assert (found.weights, found.difference) == ({"linear": 1.0}, None)
    assert reason in found.reason


def test_a_single_candidate_needs_no_choice(rows: Rows) -> None:
    """A candidate without company is used, and the reason says so."""
    found = rows.choose({"linear": rows.y})

    assert found == Combination({"linear": 1.0}, None, "linear alone: there is no other candidate")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_without_a_prediction_is_refused(value: float, rows: Rows) -> None:
    """The error names the candidate and the number of rows without a prediction."""
    holed = rows.y.copy()
    holed[[3, 5]] = value

    with pytest.raises(TrainingImpossible, match=r"predictions of trees are not finite in 2 of 900 rows"):
        rows.choose({"linear": rows.y, "trees": holed})


def test_a_metric_that_is_undefined_for_every_candidate_is_refused(rows: Rows) -> None:
    """If no candidate can be scored there is no best one, and the sentence names the metric."""
    rows.y[::100] = 0

    with pytest.raises(TrainingImpossible, match=r"^the mape is undefined .* every candidate \(linear, trees\)"):
        rows.choose({"linear": rows.y + 1, "trees": rows.y + 2}, Metric("regression", "mape"))


def test_the_mean_of_certain_probabilities_is_not_above_one() -> None:
    """Weights that sum to 1 within rounding leave a probability of 1 at 1, where log loss is still defined."""
    weights = {str(number): weight for number, weight in enumerate([0.35, 0.35, 0.15, 0.1, 0.05])}

    mean = weighted_mean(dict.fromkeys(weights, np.ones(3)), weights)

    assert np.cumsum([0.7, 0.2, 0.1])[-1] != 1  # not sum(), which compensates rounding from Python 3.12 on
    assert (mean == 1).all()


def _frame(count: int = 300) -> pd.DataFrame:
    draw = np.random.default_rng(7)
    return pd.DataFrame({"signal": draw.normal(size=count), "store": draw.choice(["north", "south"], count)})


def _fitted(estimator: Any, frame: pd.DataFrame, y: np.ndarray) -> Model:
    encode = ColumnTransformer(
        [("numeric", StandardScaler(), ["signal"]), ("categorical", OneHotEncoder(sparse_output=False), ["store"])]
    )
    return Model([("encode", encode), ("model", estimator)]).fit(frame, y)


def _labels(task: str, frame: pd.DataFrame) -> np.ndarray:
    value = frame["signal"].to_numpy() + np.random.default_rng(8).normal(size=len(frame))
    if task == "binary":
        return (value > 0).astype("int64")
    return np.array(["late", "none", "some"])[np.digitize(value, [-1, 1])] if task == "multiclass" else value


def _members(task: str, frame: pd.DataFrame) -> list[tuple[str, float, Model]]:
    kinds = [LinearRegression(), RandomForestRegressor(5, random_state=7)]
    if task in ("binary", "multiclass"):
        kinds = [LogisticRegression(), GaussianNB()]
    y = _labels(task, frame)
    return [(name, w, _fitted(kind, frame, y)) for name, w, kind in zip(["a", "b"], [0.35, 0.65], kinds, strict=True)]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_combined_classifiers_predict_the_weighted_mean(task: str) -> None:
    """Probabilities are weighted means of the members'; the label is the most likely class."""
    frame = _frame()
    members = _members(task, frame)

    model = build_model(members, task)

    each = {name: member.predict_proba(frame) for name, _, member in members}
    expected = weighted_mean(each, {name: weight for name, weight, _ in members})
    assert np.array_equal(model.predict_proba(frame), expected)
    assert np.array_equal(model.predict(frame), model.classes_[expected.argmax(axis=1)])
    assert list(model.classes_) == list(members[0][2].classes_)


@pytest.mark.parametrize("task", ["regression", "forecasting"])
def test_combined_regressors_predict_the_weighted_mean(task: str) -> None:
    """Values are weighted means of the members'."""
    frame = _frame()
    (_, first, linear), (_, second, forest) = members = _members(task, frame)

    model = build_model(members, task)

    assert model.predict(frame) == pytest.approx(first * linear.predict(frame) + second * forest.predict(frame))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_built_model_is_what_scikit_learn_would_have_fitted(task: str) -> None:
    """It has the attributes of a voting model fitted on the same rows, and predicts the same."""
    frame = _frame()
    members, y = _members(task, frame), _labels(task, frame)
    parts = {"estimators": [(name, model) for name, _, model in members], "weights": [0.35, 0.65]}
    really = VotingRegressor(**parts) if task == "regression" else VotingClassifier(**parts, voting="soft")
    really.fit(frame, y)

    built = build_model(members, task).named_steps["model"]

    # the members by name are left out, because the model file would hold them twice
    assert vars(really).keys() - vars(built).keys() == {"named_estimators_"}
    assert vars(built).keys() <= vars(really).keys()
    assert list(built.feature_names_in_) == list(really.feature_names_in_)
    how = "predict" if task == "regression" else "predict_proba"
    assert getattr(built, how)(frame) == pytest.approx(getattr(really, how)(frame))
    assert np.array_equal(built.predict(frame), really.predict(frame))


def test_the_members_are_not_fitted_again() -> None:
    """The given models predict, and the estimators to fit are unfitted copies."""
    members = _members("binary", _frame())

    voting = build_model(members, "binary").named_steps["model"]

    assert [id(each) for each in voting.estimators_] == [id(model) for _, _, model in members]
    assert not any(hasattr(model, "classes_") for _, model in voting.estimators)


def test_a_single_member_is_returned_as_it_is() -> None:
    """One model is not wrapped."""
    (name, _, model), _ = _members("binary", _frame())

    assert build_model([(name, 1.0, model)], "binary") is model


def test_any_candidate_name_is_accepted() -> None:
    """Names that scikit-learn refuses, and names that are equal after correction, still make a model."""
    frame = _frame()
    (_, _, one), (_, _, two) = _members("binary", frame)

    model = build_model([("my__own", 0.2, one), ("my_own", 0.3, two), ("weights", 0.5, two)], "binary")

    assert model.predict_proba(frame).shape == (300, 2)


def test_members_of_other_columns_or_classes_are_refused() -> None:
    """Models that cannot be averaged are an error at once, not a wrong prediction later."""
    frame = _frame()
    member = _members("binary", frame)[0]
    other_classes = Model([("model", DummyClassifier())]).fit(frame, np.arange(300) % 3)
    other_columns = Model([("model", DummyClassifier())]).fit(frame[["store"]], np.arange(300) % 2)

    for other in (other_classes, other_columns):
        with pytest.raises(ValueError, match="b and a were fitted on different columns or classes"):
            build_model([member, ("b", 0.5, other)], "binary")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_built_model_is_saved_and_loaded(task: str, tmp_path: Path) -> None:
    """The file holds no type of this project, and its model predicts the same to the last bit."""
    frame = _frame()
    members = _members(task, frame)
    model, path = build_model(members, task), tmp_path / "model.skops"

    loaded = load_model(path, save_model(model, path))

    how = "predict" if task == "regression" else "predict_proba"
    assert np.array_equal(getattr(loaded, how)(frame), getattr(model, how)(frame))
    assert list(loaded.feature_names_in_) == ["signal", "store"]
