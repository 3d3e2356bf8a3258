"""XGBoost: boosted trees; an optional extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core import settings
from include.training.candidates.candidate import (
    MAX_ROUNDS,
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

#: XGBoost's own metrics for early stopping; for other metrics it uses the metric of its objective.
_WATCHED = {"roc_auc": "auc", "average_precision": "aucpr"}
_OBJECTIVES = {"squared": "reg:squarederror", "absolute": "reg:absoluteerror", "quantile": "reg:quantileerror"}


def xgboost(training: Training) -> Candidate:
    """Return the family with the objective that fits the metric."""

    def suggest(trial: optuna.Trial) -> Params:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "max_depth": trial.suggest_int("max_depth", 2, 10),
            "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 100.0, log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-3, 10.0, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 30.0, log=True),
            "categories": trial.suggest_categorical("categories", ["ordered", "grouped"]),
            **suggest_loss(trial, training),
        }

    defaults = {
        "learning_rate": 0.1,
        "max_depth": 5,
        "min_child_weight": 2.0,
        "colsample_bytree": 0.7,
        "subsample": 0.9,
        "reg_alpha": 1e-3,
        "reg_lambda": 1.0,
        "categories": "grouped",
        **loss_defaults(training),
    }
    return Candidate(
        family="xgboost",
        encoding="ordinal",
        defaults=defaults,
        suggest=suggest,
        estimator=_make_estimator,
        rounds="n_estimators",
        fit_watched=_fit_watched,
        needs_codes=True,
    )


def _make_estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    taken = estimator_params(params)
    fixed: Params = {"random_state": training.seed, "n_jobs": threads, "verbosity": 0, "tree_method": "hist"}
    fixed["n_estimators"] = MAX_ROUNDS
    if params["categories"] == "grouped" and columns.categorical:
        kinds = ["q"] * len(columns.numeric) + ["c"] * len(categorical_positions(columns))
        fixed |= {"enable_categorical": True, "feature_types": kinds}
    if training.classifies:
        return XGBClassifier(**fixed | taken)
    loss = loss_to_minimise(training, params)
    if loss == "quantile":
        fixed["quantile_alpha"] = training.quantile
    return XGBRegressor(**fixed | taken, objective=_OBJECTIVES[loss])


def _fit_watched(estimator: Any, x: Any, y: np.ndarray, weights: np.ndarray | None, watch: Watch) -> int:
    import numpy as np
    from xgboost.callback import EarlyStopping

    class StopInTime(EarlyStopping):
        """Stops the fit at the deadline too."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return super().after_iteration(model, epoch, evals_log) or watch.is_over()

    if watch.measure.task == "multiclass":
        # XGBoost needs every class up to the highest, so a missing one gets a row of weight 0
        gaps = np.setdiff1d(np.arange(y.max()), y)
        weights = np.ones(len(y)) if weights is None else weights
        x, y = np.vstack([x, x[: len(gaps)]]), np.concatenate([y, gaps])
        weights = np.concatenate([weights, np.zeros(len(gaps))])
    metric = _WATCHED.get(watch.measure.name)
    estimator.set_params(eval_metric=metric, callbacks=[StopInTime(rounds=PATIENCE_ROUNDS)])
    estimator.fit(x, y, sample_weight=weights, eval_set=[(watch.x, watch.y)], verbose=False)
    estimator.set_params(callbacks=None)
    return estimator.best_iteration + 1


def _shap_values(estimator: Any, x: Any) -> np.ndarray:
    from xgboost import DMatrix

    kinds = estimator.get_params().get("feature_types")
    matrix = DMatrix(x, feature_types=kinds, enable_categorical=kinds is not None, nthread=settings.threads())
    return estimator.get_booster().predict(matrix, pred_contribs=True)


FAMILY = Family(
    name="xgboost",
    first_trial=4,
    make=xgboost,
    package="xgboost",
    # a booster is bytes, which XGBoost reads as trees
    model_types=("xgboost.core.Booster", "xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor"),
    shap_values=_shap_values,
)
