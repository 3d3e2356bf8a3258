"""The families that fit in a moment: a guess without features, a line, and averaged random trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.training.candidates.candidate import Candidate, Params, loss_of

if TYPE_CHECKING:
    import optuna

    from include.config.training import Training
    from include.training.columns import FeatureColumns

#: The linear program behind a line through a quantile grows faster than its rows: 5,000 take about a second.
MAX_QUANTILE_ROWS = 5_000
#: Each of the random trees learns from a draw of so many rows, so that a fit takes seconds however long the history.
MAX_TREE_ROWS = 30_000
TREES = 100


def baseline(training: Training) -> Candidate:
    """Return the family that knows no features: what every other one must beat."""

    def estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
        from sklearn.dummy import DummyClassifier, DummyRegressor

        loss = loss_of(training)
        if loss == "log":
            return DummyClassifier(strategy="prior")
        if loss == "squared":
            return DummyRegressor(strategy="mean")
        return DummyRegressor(strategy="quantile", quantile=training.quantile if loss == "quantile" else 0.5)

    return Candidate("baseline", "none", {}, lambda trial: {}, estimator)


def linear(training: Training) -> Candidate:
    """Return logistic, ridge or quantile regression, whichever the metric asks for."""

    def suggest(trial: optuna.Trial) -> Params:
        return {"strength": trial.suggest_float("strength", 1e-3, 1e4, log=True)}

    def estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.linear_model import LogisticRegression, QuantileRegressor, Ridge
        from sklearn.preprocessing import StandardScaler

        strength, loss = params["strength"], loss_of(training)
        if loss == "log":
            return LogisticRegression(C=1 / strength, max_iter=200, tol=1e-3)
        if loss == "squared":
            return Ridge(alpha=strength, random_state=training.seed)
        quantile = training.quantile if loss == "quantile" else 0.5
        # its penalty is relative to the label's scale, and that of a ridge grows with the rows
        line = QuantileRegressor(quantile=quantile, alpha=strength / MAX_QUANTILE_ROWS, solver="highs")
        return TransformedTargetRegressor(regressor=line, transformer=StandardScaler())

    quantile = loss_of(training) in ("absolute", "quantile")
    return Candidate(
        "linear", "scaled", {"strength": 1.0}, suggest, estimator, max_rows=MAX_QUANTILE_ROWS if quantile else None
    )


def extra_trees(training: Training) -> Candidate:
    """Return averaged random trees, capped so that neither a fit nor the model file grows with the history."""

    def suggest(trial: optuna.Trial) -> Params:
        return {
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 16, 600, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 100, log=True),
            "max_features": trial.suggest_float("max_features", 0.1, 1.0),
        }

    def estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        fixed = {"n_estimators": TREES, "bootstrap": True, "max_samples": MAX_TREE_ROWS}
        kind = ExtraTreesClassifier if training.classifies else ExtraTreesRegressor
        return kind(**fixed, **params, random_state=training.seed, n_jobs=threads)

    defaults = {"max_leaf_nodes": 300, "min_samples_leaf": 3, "max_features": 0.7}
    return Candidate("extra_trees", "ordinal", defaults, suggest, estimator)
