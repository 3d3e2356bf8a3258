"""scikit-learn's histogram gradient boosting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

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

#: Rounds before the first look at the clock; after each look, up to as many more as there are already.
FIRST_ROUNDS = 20
#: Metrics for early stopping; for other metrics it uses the loss.
_WATCHED = {"roc_auc": "roc_auc", "average_precision": "average_precision"}
_LOSSES = {"squared": "squared_error", "absolute": "absolute_error", "quantile": "quantile"}


def hist_gradient_boosting(training: Training) -> Candidate:
    """Return the family with the loss that fits the metric."""

    def suggest(trial: optuna.Trial) -> Params:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 255, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 3, 300, log=True),
            "max_features": trial.suggest_float("max_features", 0.3, 1.0),
            "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 30.0, log=True),
            "categories": trial.suggest_categorical("categories", ["ordered", "grouped"]),
            **suggest_loss(trial, training),
        }

    defaults = {
        "learning_rate": 0.1,
        "max_leaf_nodes": 31,
        "min_samples_leaf": 20,
        "max_features": 0.6,
        "l2_regularization": 1.0,
        "categories": "grouped",
        **loss_defaults(training),
    }
    return Candidate(
        family="hist_gradient_boosting",
        encoding="ordinal",
        defaults=defaults,
        suggest=suggest,
        estimator=_make_estimator,
        rounds="max_iter",
        fit_watched=_fit_watched,
    )


def _make_estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    taken = estimator_params(params)
    positions = categorical_positions(columns) if params["categories"] == "grouped" else []
    fixed: Params = {"random_state": training.seed, "early_stopping": False, "max_iter": MAX_ROUNDS}
    fixed["categorical_features"] = positions or None
    if training.classifies:
        return HistGradientBoostingClassifier(**fixed | taken)
    loss = loss_to_minimise(training, params)
    if loss == "quantile":
        fixed["quantile"] = training.quantile
    return HistGradientBoostingRegressor(**fixed | taken, loss=_LOSSES[loss])


def _fit_watched(estimator: Any, x: Any, y: np.ndarray, weights: np.ndarray | None, watch: Watch) -> int:
    import numpy as np

    limit, rounds = estimator.max_iter, min(FIRST_ROUNDS, estimator.max_iter)
    # scikit-learn has no callback here, so fit in a few parts and look at the clock between them
    estimator.set_params(scoring=_WATCHED.get(watch.measure.name, "loss"))
    estimator.set_params(warm_start=True, early_stopping=True, n_iter_no_change=PATIENCE_ROUNDS, tol=0.0)
    start = time.monotonic()
    while True:
        estimator.set_params(max_iter=rounds)
        estimator.fit(x, y, sample_weight=weights, X_val=watch.x, y_val=watch.y)
        if estimator.n_iter_ < rounds or rounds == limit or watch.is_over():
            break
        affordable = watch.seconds_left() / max((time.monotonic() - start) / rounds, 1e-6)
        if affordable < 1:
            break
        rounds = min(limit, rounds + int(min(rounds, affordable)))
    # the first score is that of zero rounds
    best = max(1, int(np.argmax(estimator.validation_score_)))
    del estimator._predictors[best:]  # scikit-learn has no other way to predict with fewer rounds
    return best


FAMILY = Family(
    name="hist_gradient_boosting",
    first_trial=5,
    make=hist_gradient_boosting,
    model_types=("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
)
