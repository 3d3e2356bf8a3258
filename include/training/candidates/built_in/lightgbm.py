"""LightGBM: boosted trees, grown leaf by leaf."""

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
    from lightgbm.callback import CallbackEnv

    from include.config.training import Training
    from include.training.candidates.watch import Watch
    from include.training.columns import FeatureColumns

#: Relative improvement that restarts the patience; the absolute error improves slowly without end.
LEAST_PROGRESS = 1e-4
#: LightGBM's own metrics for early stopping; for other metrics it uses its loss.
_WATCHED = {"roc_auc": "auc", "average_precision": "average_precision"}
_OBJECTIVES = {"squared": "regression", "absolute": "regression_l1", "quantile": "quantile"}


def lightgbm(training: Training) -> Candidate:
    """Return the family with the objective that fits the metric."""

    def suggest(trial: optuna.Trial) -> Params:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 255, log=True),
            # low enough for a table of a few hundred rows, high enough against noise in many thousands
            "min_child_samples": trial.suggest_int("min_child_samples", 3, 300, log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-3, 10.0, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 30.0, log=True),
            "extra_trees": trial.suggest_categorical("extra_trees", [False, True]),
            "categories": trial.suggest_categorical("categories", ["ordered", "grouped"]),
            **suggest_loss(trial, training),
        }

    defaults = {
        "learning_rate": 0.08,
        "num_leaves": 31,
        "min_child_samples": 20,
        "colsample_bytree": 0.7,
        "subsample": 0.9,
        "reg_alpha": 1e-3,
        "reg_lambda": 1.0,
        "extra_trees": False,
        "categories": "grouped",
        **loss_defaults(training),
    }
    return Candidate(
        family="lightgbm",
        encoding="ordinal",
        defaults=defaults,
        suggest=suggest,
        estimator=_make_estimator,
        rounds="n_estimators",
        fit_watched=_fit_watched,
    )


def _make_estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    taken = estimator_params(params)
    # reproducible for a given number of threads, see LightGBM's parameter `deterministic`
    fixed: Params = {"random_state": training.seed, "n_jobs": threads, "verbose": -1, "deterministic": True}
    fixed |= {"force_col_wise": True, "subsample_freq": 1, "n_estimators": MAX_ROUNDS}
    positions = categorical_positions(columns)
    if params["categories"] == "grouped" and positions:
        # minimum rows per group of categories; LightGBM's default of 100 would leave small tables without a group
        fixed |= {"categorical_column": positions, "min_data_per_group": params["min_child_samples"]}
    if training.classifies:
        return LGBMClassifier(**fixed | taken)
    loss = loss_to_minimise(training, params)
    if loss == "quantile":
        fixed["alpha"] = training.quantile
    return LGBMRegressor(**fixed | taken, objective=_OBJECTIVES[loss])


def _fit_watched(estimator: Any, x: Any, y: np.ndarray, weights: np.ndarray | None, watch: Watch) -> int:
    stop = _Stop(watch)
    metric = _WATCHED.get(watch.measure.name)
    estimator.fit(x, y, sample_weight=weights, eval_X=watch.x, eval_y=watch.y, eval_metric=metric, callbacks=[stop])
    return stop.best_round + 1


class _Stop:
    """LightGBM callback that stops a fit: out of patience, out of time, or at the last round."""

    order, before_iteration = 30, False

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.best_round, self.best_value = 0, float("-inf")
        self.progress_round, self.progress_value = 0, float("-inf")

    def __call__(self, env: CallbackEnv) -> None:
        from lightgbm.callback import EarlyStopException

        # prefer the requested metric to the one of the objective
        results = env.evaluation_result_list
        assert results, "LightGBM has rows to evaluate on"
        wanted = _WATCHED.get(self.watch.measure.name)
        result = next((each for each in results if each.metric_name == wanted), results[0])
        value = result.metric_value if result.maximize else -result.metric_value
        if value > self.best_value:
            self.best_round, self.best_value = env.iteration, value
        if value > self.progress_value + LEAST_PROGRESS * abs(value):
            self.progress_round, self.progress_value = env.iteration, value
        stale = env.iteration - self.progress_round >= PATIENCE_ROUNDS
        if stale or env.iteration + 1 == env.end_iteration or self.watch.is_over():
            raise EarlyStopException(self.best_round, results)


def _shap_values(estimator: Any, x: Any) -> np.ndarray:
    return estimator.booster_.predict(x, pred_contrib=True, num_threads=settings.threads())


def _register_onnx() -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        LGBMRegressor,
        "LightGbmLGBMRegressor",
        calculate_linear_regressor_output_shapes,
        convert_lightgbm,
        options={"split": None},
    )


FAMILY = Family(
    name="lightgbm",
    first_trial=3,
    make=lightgbm,
    package="lightgbm",
    # a booster is its text, which LightGBM reads as trees
    model_types=(
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
    ),
    shap_values=_shap_values,
    register_onnx=_register_onnx,
)
