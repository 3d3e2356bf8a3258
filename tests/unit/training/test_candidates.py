"""Every family is fitted on the same untidy frame and predicts finite numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.base import clone

from include.config.training import BUILT_IN, EXTRAS, METRICS
from include.core.errors import ConfigError
from include.evaluation.metrics import Metric
from include.training.candidates import candidates_of, registry
from include.training.candidates.encoding import MAX_CATEGORIES
from include.training.columns import FeatureColumns
from include.training.fit import fit_model, predict
from include.training.target import class_list, encode_target

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.config.training import Task
    from include.training.candidates import Candidate
    from tests.unit.training.conftest import MakeFrame, MakePipeline

FAMILIES = BUILT_IN + EXTRAS
LEARNING = [family for family in FAMILIES if family != "baseline"]
TASKS = ["binary", "multiclass", "regression"]
each_family = pytest.mark.parametrize("family", FAMILIES)
each_task = pytest.mark.parametrize("task", TASKS)


def _candidate(pipeline: Pipeline, family: str) -> Candidate:
    return candidates_of(pipeline.training)[family]


def _few_rounds(candidate: Candidate, **params: object) -> dict[str, object]:
    """Return the defaults, with a number of rounds if the family has rounds."""
    return candidate.defaults | ({candidate.rounds: 30} if candidate.rounds else {}) | params


def test_every_family_of_the_schema_has_a_module_of_its_name() -> None:
    """A new family is one module, which the schema finds; no two have the same rank."""
    modules = {family.make.__module__.rpartition(".")[2]: family.name for family in registry.FAMILIES.values()}

    assert modules == {name: name for name in FAMILIES}
    assert len({family.first_trial for family in registry.FAMILIES.values()}) == len(FAMILIES)


def test_the_quick_families_come_first_and_the_teams_own_last(make_pipeline: MakePipeline) -> None:
    """The families are those that training.candidates names, in the order of their first trials."""
    own = {"neighbours": {"estimator": "sklearn.neighbors.KNeighborsRegressor"}}
    training = make_pipeline(candidates=["linear", "baseline"], own_candidates=own).training

    found = candidates_of(training)

    assert list(found) == ["baseline", "linear", "neighbours"]
    assert [candidate.family for candidate in found.values()] == list(found)


def test_an_extra_that_is_not_installed_says_how(make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the family and the command that installs it."""
    monkeypatch.setattr(registry, "find_spec", lambda family: None)

    with pytest.raises(ConfigError, match=r"training\.candidates: xgboost is not installed; run `make extras`"):
        candidates_of(make_pipeline(candidates=["linear", "xgboost"]).training)


@pytest.mark.parametrize("family", LEARNING)
@each_task
def test_it_handles_missing_numbers_and_categories(
    family: str, task: Task, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """With 20 % of a number and 10 % of a category missing, it is better than a constant."""
    frame, pipeline = make_frame(task), make_pipeline(task, candidates=["baseline", family])
    fit, held = frame.iloc[:500], frame.iloc[500:]
    assert fit["signal"].isna().any()
    assert fit["store"].isna().any()
    classes = class_list(frame["label"]) if task == "multiclass" else None
    y = encode_target(pipeline.training, held["label"], classes)
    measure = Metric.of(pipeline.training)

    scores = []
    for name in ("baseline", family):
        model = fit_model(pipeline, fit, name, _few_rounds(_candidate(pipeline, name)), 1)
        found = predict(model, held, pipeline.training, classes)
        assert found.shape == ((len(held), 3) if task == "multiclass" else (len(held),))
        assert task == "regression" or ((found >= 0) & (found <= 1)).all()
        scores.append(measure.sign * measure.value(y, found))

    assert scores[1] > scores[0] + 0.2 * abs(scores[0])


@each_family
@each_task
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"store": "new"}, id="unseen category"),
        pytest.param({"store": None}, id="category missing everywhere"),
        pytest.param({"signal": np.nan}, id="number missing everywhere"),
        pytest.param({"signal": np.nan, "noise": np.nan, "store": "new"}, id="nothing known"),
        pytest.param({"signal": 1e12}, id="number far from all seen"),
    ],
)
def test_it_predicts_finite_numbers_for_unseen_values(
    changed: dict[str, object], family: str, task: Task, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A category or a missing value that the fit never saw gives a number, not an error."""
    frame, pipeline = make_frame(task, days=20), make_pipeline(task, candidates=[family])
    learned = frame.assign(store=frame["store"].fillna("west"), signal=frame["signal"].fillna(0))
    model = fit_model(pipeline, learned, family, _few_rounds(_candidate(pipeline, family)), 1)

    assert np.isfinite(predict(model, frame.assign(**changed), pipeline.training)).all()


@each_family
@each_task
def test_the_same_seed_gives_the_same_predictions(
    family: str, task: Task, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A model fitted twice on the same rows with the same seed predicts the same, to the last bit."""
    frame, pipeline = make_frame(task), make_pipeline(task, candidates=[family])
    params = _few_rounds(_candidate(pipeline, family))

    first, second = (predict(fit_model(pipeline, frame, family, params, 2), frame, pipeline.training) for _ in range(2))

    assert np.array_equal(first, second)


@each_family
@pytest.mark.parametrize(
    "dropped",
    [pytest.param(["store"], id="numbers only"), pytest.param(["signal", "noise", "holiday"], id="text only")],
)
def test_one_kind_of_column_is_enough(
    dropped: list[str], family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A table with only numbers, or only text, can be fitted too."""
    frame, pipeline = make_frame().drop(columns=dropped), make_pipeline(candidates=[family])

    model = fit_model(pipeline, frame, family, _few_rounds(_candidate(pipeline, family)), 1)

    assert np.isfinite(predict(model, frame, pipeline.training)).all()


@each_family
@pytest.mark.parametrize(
    "store",
    [
        pytest.param(pd.array(["a", None, "b", "a"], dtype="str"), id="str with NaN, as the lake is read"),
        pytest.param(pd.array([True, None, False, True], dtype="object"), id="truth values with a null"),
        pytest.param(pd.array([None, None, None, None], dtype="object"), id="nothing but nulls"),
        pytest.param([f"store {number}" for number in range(MAX_CATEGORIES + 50)], id="very many categories"),
    ],
)
def test_it_takes_every_column_that_the_lake_gives(
    store: list[object], family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Text and booleans with nulls and any number of values can be fitted."""
    frame, pipeline = make_frame(), make_pipeline(candidates=[family])
    frame["store"] = pd.Series(
        np.resize(np.asarray(store, dtype=object), len(frame)), dtype=getattr(store, "dtype", None)
    )

    model = fit_model(pipeline, frame, family, _few_rounds(_candidate(pipeline, family)), 1)

    assert np.isfinite(predict(model, frame, pipeline.training)).all()


@each_family
def test_an_empty_numeric_column_does_no_harm(family: str, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A column that is empty in all training rows is ignored, and may have values later."""
    frame, pipeline = make_frame(), make_pipeline(candidates=[family])
    params = _few_rounds(_candidate(pipeline, family))

    model = fit_model(pipeline, frame.assign(noise=np.nan), family, params, 1)

    assert np.isfinite(predict(model, frame, pipeline.training)).all()


@each_family
@pytest.mark.parametrize(
    ("task", "metric"), [("binary", "roc_auc"), ("multiclass", "log_loss"), ("regression", "mae"), ("regression", "r2")]
)
def test_every_parameter_has_a_default_within_its_range(
    family: str, task: str, metric: str, make_pipeline: MakePipeline
) -> None:
    """The search could have drawn the parameters of the first trial."""
    candidate = _candidate(make_pipeline(task, metric=metric, candidates=[family]), family)
    study = optuna.create_study()
    study.enqueue_trial(candidate.defaults)
    trial = study.ask()

    assert candidate.suggest(trial) == candidate.defaults
    # raises ValueError where a parameter is outside its distribution
    optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=0.0)
    assert candidate.searches is (family != "baseline")


@each_family
@each_task
@pytest.mark.parametrize("end", [0, -1], ids=["lowest", "highest"])
def test_every_drawn_model_can_be_fitted(
    end: int, family: str, task: Task, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """The library accepts parameters at both ends of every range."""
    pipeline, frame = make_pipeline(task, candidates=[family]), make_frame(task, days=20)
    candidate = _candidate(pipeline, family)
    trial = optuna.create_study().ask()
    candidate.suggest(trial)

    drawn = {
        name: getattr(space, "choices", None) or (space.low, space.high) for name, space in trial.distributions.items()
    }
    params = _few_rounds(candidate, **{name: values[end] for name, values in drawn.items()})
    model = fit_model(pipeline, frame, family, params, 1)

    assert np.isfinite(predict(model, frame, pipeline.training)).all()


@each_family
@pytest.mark.parametrize("metric", METRICS["regression"])
def test_every_regression_metric_has_a_model(
    metric: str, family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """For mean, median and quantile, each family fits a model and predicts finite numbers."""
    frame, pipeline = make_frame(days=20), make_pipeline(metric=metric, quantile=0.8, candidates=[family])

    model = fit_model(pipeline, frame, family, _few_rounds(_candidate(pipeline, family)), 1)

    assert np.isfinite(predict(model, frame, pipeline.training)).all()


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "extra_trees"])
@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_pinball_is_fitted_by_a_quantile(
    quantile: float, family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Without informative features, the share of labels below the predictions is about the quantile."""
    pipeline = make_pipeline(metric="pinball", quantile=quantile, candidates=[family])
    frame = make_frame().drop(columns=["signal", "store"])

    model = fit_model(pipeline, frame, family, _few_rounds(_candidate(pipeline, family)), 1)

    below = (frame["label"] <= predict(model, frame, pipeline.training)).mean()
    assert below == pytest.approx(quantile, abs=0.05)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "extra_trees"])
def test_the_absolute_error_is_fitted_by_the_median(
    family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """With a long tail and no informative features, half of the labels lie below the predictions, not 77 %."""
    pipeline = make_pipeline(metric="wape", candidates=[family])
    frame = make_frame()[["row", "prediction_time", "noise"]]
    frame["label"] = np.random.default_rng(7).lognormal(sigma=1.5, size=len(frame))

    model = fit_model(pipeline, frame, family, _few_rounds(_candidate(pipeline, family)), 1)

    assert (frame["label"] <= predict(model, frame, pipeline.training)).mean() == pytest.approx(0.5, abs=0.15)


def test_the_trees_of_extra_trees_do_not_grow_with_the_rows(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A tree has at most the parameter's number of leaves, for any number of rows."""
    pipeline, frame = make_pipeline(candidates=["extra_trees"]), make_frame(rows_per_day=50)
    params = {"max_leaf_nodes": 20, "min_samples_leaf": 1, "max_features": 1.0}

    model = fit_model(pipeline, frame, "extra_trees", params, 1)

    assert {tree.get_n_leaves() for tree in model[-1].estimators_} == {20}


@each_family
@each_task
def test_its_estimator_can_be_cloned(family: str, task: Task, make_pipeline: MakePipeline) -> None:
    """scikit-learn clones unfitted estimators when it combines several."""
    pipeline = make_pipeline(task, candidates=[family])
    candidate = _candidate(pipeline, family)
    columns = FeatureColumns(["signal"], ["store"])

    estimator = candidate.estimator(columns, pipeline.training, candidate.defaults, 1)

    assert repr(clone(estimator)) == repr(estimator)
