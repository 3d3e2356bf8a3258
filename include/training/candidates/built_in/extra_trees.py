"""Extra trees: averaged random trees, limited so that neither a fit nor the model file grows with the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.training.candidates.candidate import Candidate, Params
from include.training.candidates.family import Family

if TYPE_CHECKING:
    import optuna

    from include.config.training import Training
    from include.training.columns import FeatureColumns

#: Each tree is fitted on a sample of at most this many rows, so a fit takes seconds however long the history is.
MAX_TREE_ROWS = 30_000
TREES = 100


def extra_trees(training: Training) -> Candidate:
    """Return the family, the same for every metric."""
    return Candidate(
        family="extra_trees",
        encoding="ordinal",
        defaults={"max_leaf_nodes": 300, "min_samples_leaf": 3, "max_features": 0.7},
        suggest=_suggest,
        estimator=_make_estimator,
    )


def _suggest(trial: optuna.Trial) -> Params:
    return {
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 16, 600, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 100, log=True),
        "max_features": trial.suggest_float("max_features", 0.1, 1.0),
    }


def _make_estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    fixed = {"n_estimators": TREES, "bootstrap": True, "max_samples": MAX_TREE_ROWS}
    kind = ExtraTreesClassifier if training.classifies else ExtraTreesRegressor
    return kind(**fixed, **params, random_state=training.seed, n_jobs=threads)


FAMILY = Family(name="extra_trees", first_trial=2, make=extra_trees, model_types=("sklearn.tree._tree.Tree",))
