"""A team's own estimator competes like the others, or is refused in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest

from include.core.errors import ConfigError
from include.training.candidates import candidates_of
from include.training.fit import fit_model, predict

if TYPE_CHECKING:
    from include.training.candidates import Candidate
    from tests.unit.training.conftest import MakeFrame, MakePipeline


def _own(make_pipeline: MakePipeline, task: str = "regression", **own: Any) -> Candidate:
    pipeline = make_pipeline(task, candidates=[], own_candidates={"mine": own})
    return candidates_of(pipeline.training)["mine"]


@pytest.mark.parametrize("preprocess", ["scaled", "ordinal"])
@pytest.mark.parametrize(
    ("task", "estimator"),
    [
        ("binary", "sklearn.tree.DecisionTreeClassifier"),
        ("multiclass", "sklearn.tree.DecisionTreeClassifier"),
        ("multiclass", "xgboost.XGBRFClassifier"),
        ("regression", "sklearn.tree.DecisionTreeRegressor"),
    ],
)
def test_it_is_fitted_like_any_other(
    task: str, estimator: str, preprocess: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """An estimator with fixed parameters is fitted on the untidy frame, whatever the class names."""
    own = {"estimator": estimator, "params": {"max_depth": 4}, "preprocess": preprocess}
    pipeline = make_pipeline(task, candidates=[], own_candidates={"mine": own})
    frame = make_frame(task)

    found = predict(fit_model(pipeline, frame, "mine", {}, 1), frame, pipeline.training)

    assert np.isfinite(found).all()
    assert len(np.unique(found)) > 3


def test_its_search_space_is_drawn_from(make_pipeline: MakePipeline) -> None:
    """Integer ends give integers, other ends give fractions, and choices are drawn as they are."""
    search = {
        "max_depth": {"low": 2, "high": 9},
        "ccp_alpha": {"low": 0.001, "high": 0.1, "log": True},
        "criterion": {"choices": ["squared_error", "friedman_mse"]},
    }
    candidate = _own(make_pipeline, estimator="sklearn.tree.DecisionTreeRegressor", search=search)

    drawn = [candidate.suggest(optuna.create_study().ask()) for _ in range(5)]

    assert candidate.searches
    for params in drawn:
        assert list(params) == list(search)
        assert isinstance(params["max_depth"], int)
        assert isinstance(params["ccp_alpha"], float)
        assert params["criterion"] in search["criterion"]["choices"]
    assert candidate.suggest(optuna.trial.FixedTrial(candidate.defaults)) == candidate.defaults


@pytest.mark.parametrize(
    ("name", "search", "default"),
    [
        pytest.param("n_neighbors", {"low": 3, "high": 50}, 5, id="the class's own default"),
        pytest.param("n_neighbors", {"low": 11, "high": 31}, 21, id="the middle"),
        pytest.param("n_neighbors", {"low": 10, "high": 1000, "log": True}, 100, id="the middle of the logarithms"),
        pytest.param("p", {"low": 0.5, "high": 1.5}, 1.0, id="the middle of fractions"),
        pytest.param("weights", {"choices": ["distance", "uniform"]}, "uniform", id="the default among choices"),
        pytest.param("leaf_size", {"choices": [50, 60]}, 50, id="the first choice"),
    ],
)
def test_the_first_trial_has_the_usual_value_or_the_middle(
    name: str, search: dict[str, Any], default: object, make_pipeline: MakePipeline
) -> None:
    """The class's own default comes first if the search may draw it, else the middle of the range."""
    candidate = _own(make_pipeline, estimator="sklearn.neighbors.KNeighborsRegressor", search={name: search})

    assert candidate.defaults == {name: default}


def test_seed_and_threads_are_the_pipelines(make_pipeline: MakePipeline) -> None:
    """They are set if the estimator takes them, unless pipeline.yaml sets them."""
    pipeline = make_pipeline(seed=3)
    path = "sklearn.ensemble.RandomForestRegressor"

    free, fixed = (
        _own(make_pipeline, estimator=path, params=params).estimator(None, pipeline.training, {}, 2)
        for params in ({}, {"random_state": 5, "n_jobs": 1})
    )

    assert (free.random_state, free.n_jobs) == (3, 2)
    assert (fixed.random_state, fixed.n_jobs) == (5, 1)


@pytest.mark.parametrize(
    ("task", "own", "sentence"),
    [
        pytest.param(
            "regression",
            {"estimator": "nowhere.to.be.Found"},
            r"nowhere\.to\.be\.Found cannot be imported \(ModuleNotFoundError: No module named 'nowhere'\); correct",
            id="no such module",
        ),
        pytest.param(
            "regression",
            {"estimator": "sklearn.linear_model.Rigde"},
            r"sklearn\.linear_model\.Rigde cannot be imported \(AttributeError: .*; correct estimator, or install its "
            r"package; Python finds sklearn\.linear_model at /.*/sklearn/linear_model/__init__\.py$",
            id="no such class",
        ),
        pytest.param("regression", {"estimator": "math.sqrt"}, "is not a scikit-learn estimator", id="a function"),
        pytest.param(
            "regression",
            {"estimator": "sklearn.linear_model.Lasso", "params": {"alfa": 1}},
            r"\.params: sklearn\.linear_model\.Lasso: there is no parameter 'alfa'; did you mean 'alpha'\?",
            id="no such parameter",
        ),
        pytest.param(
            "regression",
            {"estimator": "sklearn.linear_model.Lasso", "search": {"alfa": {"low": 1, "high": 2}}},
            r"\.search: .*there is no parameter 'alfa'; did you mean 'alpha'\?",
            id="no such parameter to search",
        ),
        pytest.param(
            "regression",
            {"estimator": "sklearn.ensemble.StackingRegressor"},
            "cannot be made with these params .*'estimators'",
            id="a parameter that is needed",
        ),
        pytest.param(
            "binary", {"estimator": "sklearn.svm.SVR"}, "is not a classifier, which the task binary", id="no classifier"
        ),
        pytest.param(
            "regression", {"estimator": "sklearn.cluster.KMeans"}, "is not a regressor, which", id="no regressor"
        ),
        pytest.param(
            "multiclass",
            {"estimator": "sklearn.svm.LinearSVC"},
            "has no predict_proba .* task multiclass",
            id="classes only",
        ),
        pytest.param(
            "regression",
            {"estimator": "sklearn.linear_model.Lasso", "preprocess": "ordinal"},
            "does not accept missing values.*set preprocess to scaled",
            id="no gaps",
        ),
    ],
)
def test_an_unsuitable_estimator_is_refused(
    task: str, own: dict[str, Any], sentence: str, make_pipeline: MakePipeline
) -> None:
    """The sentence names the entry, what is wrong with its class, and what to do."""
    with pytest.raises(ConfigError, match=rf"^training\.own_candidates\.mine.*{sentence}"):
        _own(make_pipeline, task, **own)
