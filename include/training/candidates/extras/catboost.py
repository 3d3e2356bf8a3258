"""CatBoost: boosted trees that make good use of categories; an optional extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core import settings
from include.training.candidates.candidate import (
    PATIENCE_ROUNDS,
    Candidate,
    Params,
    estimator_params,
    loss_defaults,
    loss_to_minimise,
    suggest_loss,
)
from include.training.candidates.encoding import categorical_positions
from include.training.candidates.family import Family

if TYPE_CHECKING:
    import numpy as np
    import optuna

    from include.config.training import Training
    from include.training.candidates.watch import Watch
    from include.training.columns import FeatureColumns

#: A round of its balanced trees takes longer than a round of the other families.
MAX_ROUNDS = 2000


def catboost(training: Training) -> Candidate:
    """Return the family with the loss that fits the metric."""

    def suggest(trial: optuna.Trial) -> Params:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "depth": trial.suggest_int("depth", 3, 8),
            "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.5, 30.0, log=True),
            "random_strength": trial.suggest_float("random_strength", 0.1, 10.0, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            **suggest_loss(trial, training),
        }

    defaults = {
        "learning_rate": 0.1,
        "depth": 6,
        "l2_leaf_reg": 3.0,
        "random_strength": 1.0,
        "subsample": 0.8,
        **loss_defaults(training),
    }
    return Candidate(
        family="catboost",
        encoding="coded",
        defaults=defaults,
        suggest=suggest,
        estimator=_make_estimator,
        rounds="iterations",
        fit_watched=_fit_watched,
    )


def _make_estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    taken = estimator_params(params)
    fixed: Params = {"random_seed": training.seed, "thread_count": threads, "logging_level": "Silent"}
    fixed |= {"allow_writing_files": False, "bootstrap_type": "Bernoulli", "iterations": MAX_ROUNDS}
    if columns.categorical:
        # a tuple: scikit-learn's clone copies a list and then refuses it as changed
        fixed["cat_features"] = tuple(categorical_positions(columns))
    if training.classifies:
        loss = "Logloss" if training.task == "binary" else "MultiClass"
        return CatBoostClassifier(**fixed | taken, loss_function=loss)
    losses = {"squared": "RMSE", "absolute": "MAE", "quantile": f"Quantile:alpha={training.quantile}"}
    return CatBoostRegressor(**fixed | taken, loss_function=losses[loss_to_minimise(training, params)])


def _fit_watched(estimator: Any, x: Any, y: np.ndarray, weights: np.ndarray | None, watch: Watch) -> int:
    class StopInTime:
        """Stops the fit at the deadline."""

        def after_iteration(self, info: Any) -> bool:
            return not watch.is_over()

    estimator.fit(
        x,
        y,
        sample_weight=weights,
        eval_set=(watch.x, watch.y),
        early_stopping_rounds=PATIENCE_ROUNDS,
        use_best_model=True,
        callbacks=[StopInTime()],
    )
    return estimator.tree_count_


def _shap_values(estimator: Any, x: Any) -> np.ndarray:
    from catboost import Pool

    pool = Pool(x, cat_features=estimator.get_cat_feature_indices())
    return estimator.get_feature_importance(pool, type="ShapValues", thread_count=settings.threads())


FAMILY = Family(
    name="catboost",
    first_trial=6,
    make=catboost,
    package="catboost",
    # a model is bytes, which CatBoost reads as trees
    model_types=("catboost.core.CatBoostClassifier", "catboost.core.CatBoostRegressor"),
    shap_values=_shap_values,
)
