"""The families of models that compete: what each searches, and how each is built.

A model is one scikit-learn pipeline over the raw feature frame, so its preprocessing is fitted with it,
saved with it and applied with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna
    from sklearn.pipeline import Pipeline as Model

    from include.training.columns import FeatureColumns
    from include.training_config import Task

Params = dict[str, Any]

#: scikit-learn's histogram trees take at most 255 values of a category; rarer ones share one.
MAX_CATEGORIES = 250


@dataclass(frozen=True)
class Candidate:
    """One family of models.

    Attributes
    ----------
    defaults
        Parameters of the first trial: what is known to work before anything was searched.
    suggest
        Draws parameters for a trial.
    build
        Makes an unfitted model of columns, task, parameters, seed and threads.
    """

    defaults: Params
    suggest: Callable[[optuna.Trial], Params]
    build: Callable[[FeatureColumns, Task, Params, int, int], Model]


def _suggest_lightgbm(trial: optuna.Trial) -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 600, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 7, 127, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 10, 500, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 30.0, log=True),
    }


def _build_lightgbm(columns: FeatureColumns, task: Task, params: Params, seed: int, threads: int) -> Model:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if task == "binary" else LGBMRegressor
    # reproducible for a given number of threads, see LightGBM's parameter `deterministic`
    fixed = {"random_state": seed, "n_jobs": threads, "verbose": -1, "deterministic": True, "force_col_wise": True}
    return _with_ordinal_categories(columns, kind(**params, **fixed))


def _suggest_hist_gradient_boosting(trial: optuna.Trial) -> Params:
    return {
        "max_iter": trial.suggest_int("max_iter", 30, 400, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 7, 127, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 10, 500, log=True),
        "max_features": trial.suggest_float("max_features", 0.3, 1.0),
        "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 30.0, log=True),
    }


def _build_hist_gradient_boosting(
    columns: FeatureColumns, task: Task, params: Params, seed: int, threads: int
) -> Model:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if task == "binary" else HistGradientBoostingRegressor
    categorical = list(range(len(columns.numeric), len(columns.all)))
    model = kind(**params, random_state=seed, early_stopping=False, categorical_features=categorical or None)
    return _with_ordinal_categories(columns, model)


def _suggest_linear(trial: optuna.Trial) -> Params:
    return {"strength": trial.suggest_float("strength", 1e-3, 1e3, log=True)}


def _build_linear(columns: FeatureColumns, task: Task, params: Params, seed: int, threads: int) -> Model:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    strength = params["strength"]
    if task == "binary":
        model = LogisticRegression(C=1 / strength, max_iter=200, tol=1e-3)
    else:
        model = Ridge(alpha=strength, random_state=seed)
    numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categorical = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=50, sparse_output=False)
    encode = ColumnTransformer(
        [("numeric", numeric, columns.numeric), ("categorical", categorical, columns.categorical)]
    )
    return Pipeline([("encode", encode), ("model", model)])


def _with_ordinal_categories(columns: FeatureColumns, model: Any) -> Model:
    """Put an encoder before a model of trees: categories become codes, missing and unseen ones NaN."""
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=MAX_CATEGORIES)
    encode = ColumnTransformer(
        [("numeric", "passthrough", columns.numeric), ("categorical", codes, columns.categorical)]
    )
    return Pipeline([("encode", encode), ("model", model)])


CANDIDATES: dict[str, Candidate] = {
    "lightgbm": Candidate(
        {
            "n_estimators": 200,
            "learning_rate": 0.05,
            "num_leaves": 31,
            "min_child_samples": 100,
            "colsample_bytree": 0.6,
            "reg_lambda": 1.0,
        },
        _suggest_lightgbm,
        _build_lightgbm,
    ),
    "hist_gradient_boosting": Candidate(
        {
            "max_iter": 100,
            "learning_rate": 0.08,
            "max_leaf_nodes": 31,
            "min_samples_leaf": 100,
            "max_features": 0.6,
            "l2_regularization": 1.0,
        },
        _suggest_hist_gradient_boosting,
        _build_hist_gradient_boosting,
    ),
    "linear": Candidate({"strength": 1.0}, _suggest_linear, _build_linear),
}
