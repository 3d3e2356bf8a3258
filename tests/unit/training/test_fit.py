"""A fit uses the rows it gets, stops early, and its model predicts by column name."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline as Model

from include.config.training import BUILT_IN, EXTRAS
from include.core.errors import EvaluationFailed
from include.evaluation.metrics import Metric
from include.training.candidates import Candidate, candidates_of, encoder
from include.training.columns import feature_columns
from include.training.fit import (
    DEFAULT_ROUNDS,
    Watch,
    fit_estimator,
    fit_model,
    predict,
    predict_encoded,
    row_weights,
)
from include.training.target import class_list, encode_target

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from tests.unit.training.conftest import MakeFrame, MakePipeline

FAMILIES = BUILT_IN + EXTRAS
GROWING = ["lightgbm", "hist_gradient_boosting", "xgboost", "catboost"]
CLASSES = ["large", "middle", "small"]
each_growing = pytest.mark.parametrize("family", GROWING)


def _few_rounds(candidate: Candidate) -> dict[str, Any]:
    return candidate.defaults | ({candidate.rounds: 30} if candidate.rounds else {})


def _fitted(pipeline: Pipeline, frame: pd.DataFrame, family: str) -> Model:
    params = _few_rounds(candidates_of(pipeline.training)[family])
    return fit_model(pipeline, frame, family, params, 1)


class Watched:
    """A family fitted on the first rows of a table, with early stopping on the last."""

    def __init__(self, pipeline: Pipeline, frame: pd.DataFrame, family: str, cut: int = 450) -> None:
        training = self.training = pipeline.training
        self.candidate = candidates_of(training)[family]
        self.columns = feature_columns(pipeline, frame)
        self.classes = class_list(frame["label"]) if training.task == "multiclass" else None
        y = encode_target(training, frame["label"], self.classes)
        rows = frame[self.columns.all].iloc[:cut]
        encode = encoder(self.candidate.encoding, self.columns, rows)
        self.x, self.y = encode.fit_transform(rows), y[:cut]
        self.watch = Watch(encode.transform(frame[self.columns.all].iloc[cut:]), y[cut:], Metric.of(training), None)

    def fit(self, watch: Watch | None, **params: Any) -> tuple[int | None, np.ndarray]:
        """Return the best number of rounds, and what is then predicted of the watched rows."""
        estimator = self.candidate.estimator(self.columns, self.training, self.candidate.defaults | params, 1)
        weights = row_weights(self.training, self.y)
        rounds = fit_estimator(self.candidate, estimator, self.x, self.y, weights, watch, 1)
        return rounds, predict_encoded(
            estimator, self.watch.x, self.training, len(self.classes) if self.classes else None
        )

    def score(self, predictions: np.ndarray) -> float:
        """Return the metric on the watched rows."""
        return self.watch.measure.value(self.watch.y, predictions)


@each_growing
@pytest.mark.parametrize(
    ("task", "metric"),
    [("binary", "log_loss"), ("binary", "roc_auc"), ("multiclass", "log_loss"), ("regression", "rmse")],
)
def test_it_stops_at_the_best_round(
    task: str, metric: str, family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """The number of rounds is far below the maximum, and neither more nor half as many are better."""
    watched = Watched(make_pipeline(task, metric=metric, candidates=[family]), make_frame(task), family)
    candidate, sign = watched.candidate, watched.watch.measure.sign

    rounds, predictions = watched.fit(watched.watch, learning_rate=0.2)

    assert rounds is not None
    assert 1 <= rounds < 500
    assert candidate.rounds
    _, many = watched.fit(None, learning_rate=0.2, **{candidate.rounds: rounds + 200})
    assert sign * watched.score(predictions) > sign * watched.score(many)


@pytest.mark.parametrize("family", ["lightgbm", "hist_gradient_boosting", "xgboost"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_best_rounds_alone_give_the_same_model(
    task: str, family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A fit with the same number of rounds and no watch predicts the same, so it has the measured score.

    CatBoost is left out: it draws other numbers where rows are watched.
    """
    watched = Watched(make_pipeline(task, candidates=[family]), make_frame(task), family)

    rounds, predictions = watched.fit(watched.watch)
    _, again = watched.fit(None, **{watched.candidate.rounds: rounds})

    assert np.allclose(predictions, again, rtol=1e-6)


@each_growing
def test_a_deadline_that_has_passed_ends_it(family: str, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The fit still returns a model, with a few rounds instead of many."""
    watched = Watched(make_pipeline(candidates=[family]), make_frame(), family)
    late = replace(watched.watch, deadline=time.monotonic() - 1)

    rounds, predictions = watched.fit(late, learning_rate=0.01)

    assert rounds is not None
    assert 1 <= rounds <= 20
    assert np.isfinite(predictions).all()


@each_growing
def test_a_fit_that_runs_out_of_time_keeps_its_rounds(
    family: str, make_pipeline: MakePipeline, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that advances a second at every look stops a fit long before its best round."""
    watched = Watched(make_pipeline(candidates=[family]), make_frame(), family)
    unhurried, _ = watched.fit(watched.watch, learning_rate=0.02)
    now = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))

    rounds, predictions = watched.fit(replace(watched.watch, deadline=10.0), learning_rate=0.02)

    assert rounds is not None
    assert unhurried is not None
    assert 5 <= rounds < unhurried / 2
    assert np.isfinite(predictions).all()


@each_growing
def test_a_class_missing_from_the_fold_is_no_error(
    family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A fold may lack a class that later rows have; its probability is 0."""
    frame = make_frame("multiclass")
    frame = frame[(frame["label"] != "middle") | (frame.index >= 450)]
    pipeline = make_pipeline("multiclass", candidates=[family])
    watched = Watched(pipeline, frame, family, cut=(frame.index < 450).sum())

    rounds, predictions = watched.fit(watched.watch)

    assert rounds is not None
    assert watched.classes == CLASSES
    assert np.allclose(predictions.sum(axis=1), 1)
    assert predictions[:, 1].max() < 0.01


@each_growing
def test_without_a_validation_row_the_default_rounds_are_fitted(
    family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """If no validation row has a known class, early stopping is impossible."""
    watched = Watched(make_pipeline("multiclass", candidates=[family]), make_frame("multiclass"), family)
    nothing = replace(watched.watch, x=watched.watch.x[:5], y=np.full(5, 9.0))

    assert watched.fit(nothing)[0] == DEFAULT_ROUNDS


def test_a_family_without_rounds_has_none(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Other families cannot stop early."""
    assert Watched(make_pipeline(candidates=["linear"]), make_frame(), "linear").fit(None)[0] is None


def test_a_familys_row_limit_is_a_sample(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A quantile regression is fitted on a limited sample of rows, the same one each time."""
    watched = Watched(make_pipeline(candidates=["linear"]), make_frame(), "linear")
    assert watched.candidate.max_rows is not None
    _, whole = watched.fit(None)
    watched.candidate = replace(watched.candidate, max_rows=100)

    (_, first), (_, second) = watched.fit(None), watched.fit(None)

    assert np.array_equal(first, second)
    assert not np.array_equal(first, whole)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "baseline"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_balanced_classes_are_predicted_as_if_equally_frequent(
    task: str, family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A class of one row in ten gets a probability above its share, in every family."""
    frame = make_frame(task)
    rare = 1.0 if task == "binary" else "small"
    frame = pd.concat([frame[frame["label"] == rare].iloc[:45], frame[frame["label"] != rare]])
    frame = frame.sort_index(ignore_index=True)
    share = (frame["label"] == rare).mean()

    plain, balanced = (
        predict(_fitted(pipeline, frame, family), frame, pipeline.training, CLASSES if task == "multiclass" else None)
        for pipeline in (
            make_pipeline(task, candidates=[family]),
            make_pipeline(task, candidates=[family], class_weight="balanced"),
        )
    )

    means = [each.mean() if task == "binary" else each[:, 2].mean() for each in (plain, balanced)]
    assert means[0] == pytest.approx(share, abs=0.06)
    assert means[1] > 1.2 * means[0]


def test_balanced_weights_give_each_class_the_same_sum(make_pipeline: MakePipeline) -> None:
    """Two rows of one class weigh as much as the one row of the other."""
    training = make_pipeline("binary", class_weight="balanced").training

    assert row_weights(training, np.array([0.0, 0.0, 1.0])) == pytest.approx([0.75, 0.75, 1.5])
    assert row_weights(make_pipeline("binary").training, np.array([0.0, 1.0])) is None


def test_mape_weighs_rows_by_the_inverse_of_their_label(make_pipeline: MakePipeline) -> None:
    """The weights have mean 1, and a label of 0 gets the weight of the smallest other label."""
    weights = row_weights(make_pipeline(metric="mape").training, np.array([-1.0, 2.0, 4.0, 0.0]))

    assert weights == pytest.approx(np.array([1, 0.5, 0.25, 1]) / 0.6875)
    assert row_weights(make_pipeline(metric="mape").training, np.zeros(3)) is None
    assert row_weights(make_pipeline(metric="mae").training, np.array([1.0, 2.0])) is None


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("relabel", "classes"),
    [
        pytest.param({}, CLASSES, id="text"),
        pytest.param({"small": 3, "middle": 7, "large": 12}, [3, 7, 12], id="whole numbers"),
        pytest.param({"small": 3.0, "middle": 7.0, "large": 12.0}, [3, 7, 12], id="whole numbers as fractions"),
    ],
)
def test_a_classifier_knows_its_classes_by_name(
    relabel: dict[str, Any], classes: list[Any], family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """The loaded model has the labels of the table, whatever codes the library uses."""
    frame = make_frame("multiclass")
    frame["label"] = frame["label"].map(relabel) if relabel else frame["label"].astype("str")

    model = _fitted(make_pipeline("multiclass", candidates=[family]), frame, family)

    assert model.classes_.tolist() == classes
    assert set(np.ravel(model.predict(frame)).tolist()) <= set(classes)
    if family != "baseline":
        assert (np.ravel(model.predict(frame)) == frame["label"]).mean() > 0.7


@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_are_in_the_requested_order(
    family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Each class has its column, and an unknown class has probability 0."""
    frame, pipeline = make_frame("multiclass"), make_pipeline("multiclass", candidates=[family])
    model = _fitted(pipeline, frame, family)

    own = predict(model, frame, pipeline.training)
    other = predict(model, frame, pipeline.training, ["small", "huge", "large", "middle"])

    assert np.array_equal(other[:, 1], np.zeros(len(frame)))
    assert np.allclose(other[:, [2, 3, 0]], own)
    assert np.allclose(own.sum(axis=1), 1)


def test_the_probability_of_other_classes_is_shared(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A champion that knows a class which no longer exists still gives probabilities with sum 1."""
    frame, pipeline = make_frame("multiclass"), make_pipeline("multiclass", candidates=["linear"])
    model = _fitted(pipeline, frame, "linear")

    found = predict(model, frame, pipeline.training, ["small", "large"])

    assert np.allclose(found.sum(axis=1), 1)
    assert np.array_equal(predict(model, frame, pipeline.training, ["huge", "tiny"]), np.full((len(frame), 2), 0.5))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_column_is_named(family: str, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The error names the columns that the table lacks, and what to do until the model is replaced."""
    frame, pipeline = make_frame(), make_pipeline(candidates=[family])
    model = _fitted(pipeline, frame, family)

    with pytest.raises(EvaluationFailed, match=r"fitted on noise, store, which the feature table no longer has"):
        predict(model, frame.drop(columns=["noise", "store"]), pipeline.training)


@pytest.mark.parametrize("family", FAMILIES)
def test_new_and_reordered_columns_change_nothing(
    family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A column that the model never saw is not used, and columns are found by name."""
    frame, pipeline = make_frame(), make_pipeline(candidates=[family])
    model = _fitted(pipeline, frame, family)
    other = frame.assign(extra=1.0)[sorted([*frame.columns, "extra"])]

    assert np.array_equal(predict(model, frame, pipeline.training), predict(model, other, pipeline.training))


def test_a_calibrated_model_predicts_as_well(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A calibrated model also takes the raw frame and finds columns by name."""
    frame, pipeline = make_frame("binary"), make_pipeline("binary", candidates=["linear"])
    model = _fitted(pipeline, frame, "linear")
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(
        frame[list(model.feature_names_in_)], frame["label"]
    )

    found = predict(Model([("model", calibrated)]), frame.assign(extra=1.0), pipeline.training)

    assert np.corrcoef(found, predict(model, frame, pipeline.training))[0, 1] > 0.99
    with pytest.raises(EvaluationFailed, match="fitted on store"):
        predict(Model([("model", calibrated)]), frame.drop(columns="store"), pipeline.training)


def test_the_group_is_no_feature(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The column that separates the splits is no feature, however well it predicts the label."""
    frame, pipeline = make_frame(), make_pipeline(group="patient", candidates=["linear"])
    frame["patient"] = frame["label"]

    assert "patient" not in _fitted(pipeline, frame, "linear").feature_names_in_


def test_a_warning_of_an_estimator_is_shown_once(
    make_pipeline: MakePipeline, make_frame: MakeFrame, recwarn: pytest.WarningsRecorder
) -> None:
    """A team's own estimator once repeated the same warning in the log at each of hundreds of fits."""
    own = {
        "warns": {"estimator": "tests.unit.training.team_models.Warns"},
        "logistic": {"estimator": "sklearn.linear_model.LogisticRegression"},
    }
    pipeline, frame = make_pipeline("binary", candidates=[], own_candidates=own), make_frame("binary")

    for _ in range(3):
        for family in own:
            fit_model(pipeline, frame, family, {}, 2)

    assert [str(each.message) for each in recwarn] == ["the team's own words"]


def test_a_model_is_fitted_on_at_most_so_many_rows(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A family whose process died in the search is not fitted on all rows in the final fit."""
    pipeline, frame = make_pipeline(candidates=["baseline"]), make_frame()

    models = {rows: fit_model(pipeline, frame, "baseline", {}, 1, max_rows=rows) for rows in (None, 50, 10**6)}
    found = {rows: predict(model, frame, pipeline.training)[0] for rows, model in models.items()}

    assert found[None] == found[10**6] == pytest.approx(frame["label"].median())
    drawn = np.random.default_rng(len(frame)).choice(len(frame), 50, replace=False)
    assert found[50] == pytest.approx(frame["label"].iloc[drawn].median())
    assert found[50] != found[None]
