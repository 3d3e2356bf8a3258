"""Combines candidates into a weighted mean if that is better than the best candidate alone.

Every decision uses out-of-fold predictions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.errors import TrainingImpossible
from include.evaluation.paired_bootstrap import PairedDifference, paired_difference
from include.training.greedy import pick_weights
from include.training.out_of_fold import (
    NOT_ENOUGH,
    format_difference,
    mean_score,
    refuse_unpredicted,
    why_not_judged,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from sklearn.pipeline import Pipeline as Model

    from include.config.training import Task
    from include.evaluation.metrics import Metric


@dataclass(frozen=True)
class Combination:
    """The candidates of the challenger with their weights, and the reason.

    Attributes
    ----------
    weights
        Weights by candidate, the greatest first, with sum 1; only one candidate if it is better alone.
    difference
        Improvement of the combination over the best candidate on the last fold; None if it was not measured.
    """

    weights: dict[str, float]
    difference: PairedDifference | None
    reason: str


def choose_weights(
    predictions: Mapping[str, np.ndarray],
    y: np.ndarray,
    fold: np.ndarray,
    days: np.ndarray,
    measure: Metric,
    *,
    rounds: int,
    confidence: float,
    seed: int,
    max_members: int = 3,
) -> Combination:
    """Return the weights of the candidates: all on the best one, unless a combination is better by more than noise.

    The weights are picked on all folds but the last (greedy selection with replacement: Caruana, Niculescu-Mizil,
    Crew and Ksikes, Ensemble selection from libraries of models, ICML 2004). The last fold, unseen by the weights,
    decides: the interval of the paired bootstrap over its days must lie above 0. The best candidate is the one with
    the best mean over all folds including the last, which favours it slightly over the combination.

    Then the weights are picked again on all folds. This is sound: the last fold showed that picking weights on earlier
    rows helps on later ones, and the same is now done with one more fold of rows, just as tuned parameters are fitted
    again on all rows. No score of the new weights is reported; the gate measures them on the holdout, which nothing
    here uses.

    Parameters
    ----------
    predictions
        Out-of-fold predictions by candidate, of shape (n_rows,) or (n_rows, n_classes).
    y, fold, days
        Label, fold number and day of each row, of shape (n_rows,).

    Raises
    ------
    TrainingImpossible
        If a prediction is not finite, or the metric is undefined for every candidate.
    """
    import numpy as np

    for name, predicted in predictions.items():
        refuse_unpredicted(predicted, name)
    means = {name: mean_score(measure, y, fold, predicted) for name, predicted in predictions.items()}
    means = {name: mean for name, mean in means.items() if math.isfinite(mean)}
    if not means:
        raise TrainingImpossible(
            f"the {measure.name} is undefined on some fold for every candidate ({', '.join(predictions)}), so none "
            "can be chosen; check the label, lower training.tuning.folds, or choose another training.metric"
        )
    best = max(means, key=means.__getitem__)

    def alone(reason: str, difference: PairedDifference | None = None) -> Combination:
        return Combination({best: 1.0}, difference, f"{best} alone: {reason}")

    known = {name: predictions[name] for name in means}
    if len(known) < 2:
        return alone("there is no other candidate")
    if unjudgeable := why_not_judged(fold, days):
        return alone(unjudgeable)
    last = fold == fold.max()
    picked = pick_weights(
        {name: each[~last] for name, each in known.items()}, y[~last], fold[~last], measure, max_members, seed
    )
    if len(picked) < 2:
        return alone("no combination is better on the folds before the last")
    together = weighted_mean({name: known[name][last] for name in picked}, picked)
    difference = paired_difference(
        measure, y[last], days[last], together, known[best][last], rounds=rounds, confidence=confidence, seed=seed
    )
    if not difference.low > 0:
        return alone(
            f"{_format_weights(picked)} has a {measure.name} {format_difference(difference)}, {NOT_ENOUGH}",
            difference,
        )
    weights = pick_weights(known, np.asarray(y), fold, measure, max_members, seed)
    if len(weights) < 2:
        return alone("no combination is better on all folds", difference)
    together_is = f"a combination has a {measure.name} {format_difference(difference)}"
    return Combination(weights, difference, f"{_format_weights(weights)}: {together_is}")


def weighted_mean(predictions: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Return the weighted mean of the predictions that have a weight; `build_model` predicts the same.

    Rounding does not lift a mean of probabilities above 1, where some metrics are undefined.
    """
    import numpy as np

    return np.average([predictions[name] for name in weights], axis=0, weights=list(weights.values()))


def build_model(members: Sequence[tuple[str, float, Model]], task: Task) -> Model:
    """Return one fitted model that predicts the weighted mean of its members; a single member is returned as it is.

    The model consists of scikit-learn's own types and holds each fitted member once, because a model file stores a
    copy for every reference. Where scikit-learn keeps the estimators to fit, the model has unfitted copies.

    Parameters
    ----------
    members
        Name, weight and fitted model. All models are pipelines over the same raw columns, and classifiers have the same
        classes.

    Raises
    ------
    ValueError
        If the members were fitted on different columns or classes.
    """
    import numpy as np
    from sklearn.base import clone
    from sklearn.ensemble import VotingClassifier, VotingRegressor
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import Pipeline

    if len(members) == 1:
        return members[0][2]
    classifies = task in ("binary", "multiclass")
    first = members[0][2]
    for name, _, model in members[1:]:
        same = np.array_equal(model.feature_names_in_, first.feature_names_in_)
        if not same or (classifies and not np.array_equal(model.classes_, first.classes_)):
            raise ValueError(f"{name} and {members[0][0]} were fitted on different columns or classes")
    # scikit-learn refuses names with two underscores, and names of its own parameters
    names = [f"{number}_{name.replace('__', '_')}" for number, (name, _, _) in enumerate(members, start=1)]
    models, weights = [model for _, _, model in members], [weight for _, weight, _ in members]
    frozen = [(name, FrozenEstimator(model)) for name, model in zip(names, models, strict=True)]
    if classifies:
        voting = VotingClassifier(frozen, voting="soft", weights=weights).fit(None, first.classes_)
    else:
        voting = VotingRegressor(frozen, weights=weights).fit(None, np.zeros(1))
    voting.estimators = [(name, clone(model)) for name, model in zip(names, models, strict=True)]
    voting.estimators_ = models
    del voting.named_estimators_
    return Pipeline([("model", voting)])


def _format_weights(weights: Mapping[str, float]) -> str:
    return " + ".join(f"{weight:.2f} {name}" for name, weight in weights.items())
