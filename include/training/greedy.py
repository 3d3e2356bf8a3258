"""Greedy ensemble selection with replacement: picks the candidates of an ensemble and their weights.

The method is that of Caruana, Niculescu-Mizil, Crew and Ksikes, Ensemble selection from libraries of models, ICML 2004.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from include.training.out_of_fold import by_fold, mean_over_folds, mean_score

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from include.evaluation.metrics import Metric

#: Maximum number of picks: with more, the weights are finer than the folds can distinguish.
MAX_PICKS = 20
#: The selection ends after so many picks without a better score.
PATIENCE = 8
#: Maximum number of rows per fold for picking weights; the last fold is judged on all of its rows.
MAX_FOLD_ROWS = 20_000
#: A candidate with less than this share of the best candidate's gain over a constant is left out.
LEAST_SHARE_OF_GAIN = 1 / 3
#: Minimum relative improvement of a score; less is rounding.
ROUNDING = 1e-9


def pick_weights(
    predictions: Mapping[str, np.ndarray],
    y: np.ndarray,
    fold: np.ndarray,
    measure: Metric,
    max_members: int,
    seed: int,
) -> dict[str, float]:
    """Pick candidates one by one, each as often as it improves the mean of all picks; return their weights.

    The first pick is the best candidate. Candidates far behind it are left out: a constant would shrink predictions
    that overshoot, and that is the calibrator's task.

    Parameters
    ----------
    predictions
        Out-of-fold predictions by candidate, of shape (n_rows,) or (n_rows, n_classes).
    y, fold
        Label and fold number of each row, of shape (n_rows,).

    Returns
    -------
    dict
        Weights by candidate, the greatest first, with sum 1; empty if no candidate is better than a constant.
    """
    rows = _draw_rows(fold, seed)
    y, fold = y[rows], fold[rows]
    candidates = {name: by_fold(fold, y, predicted[rows]) for name, predicted in predictions.items()}
    scores = {name: mean_over_folds(measure, *folds) for name, folds in candidates.items()}
    shape = next(iter(predictions.values())).shape[1:]
    worst = mean_score(measure, y, fold, _best_constant(measure, y, shape))
    best = max((score for score in scores.values() if math.isfinite(score)), default=math.nan)
    if not best > worst:
        return {}
    least = worst + LEAST_SHARE_OF_GAIN * (best - worst)
    near = [name for name, score in scores.items() if score >= least]
    name = max(near, key=scores.__getitem__)
    bag, (labels, sums) = Counter([name]), candidates[name]
    chosen, chosen_score, chosen_at = dict(bag), scores[name], 1
    for picks in range(2, MAX_PICKS + 1):
        allowed = near if len(bag) < max_members else [name for name in near if name in bag]
        with_each = {
            name: [(total + each) / picks for total, each in zip(sums, candidates[name][1], strict=True)]
            for name in allowed
        }
        scored = {name: mean_over_folds(measure, labels, mean) for name, mean in with_each.items()}
        name = max(scored, key=scored.__getitem__)
        bag[name] += 1
        sums = [picks * each for each in with_each[name]]
        if scored[name] > chosen_score + ROUNDING * abs(chosen_score):
            chosen, chosen_score, chosen_at = dict(bag), scored[name], picks
        elif picks - chosen_at >= PATIENCE:
            break
    return {name: count / chosen_at for name, count in sorted(chosen.items(), key=lambda each: -each[1])}


def _draw_rows(fold: np.ndarray, seed: int) -> np.ndarray:
    """Return positions of at most MAX_FOLD_ROWS rows of each fold, in ascending order."""
    import numpy as np

    draw = np.random.default_rng(seed)
    rows = [np.flatnonzero(fold == number) for number in np.unique(fold)]
    drawn = [each if len(each) <= MAX_FOLD_ROWS else draw.choice(each, MAX_FOLD_ROWS, replace=False) for each in rows]
    return np.sort(np.concatenate(drawn))


def _best_constant(measure: Metric, y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return one prediction, of the given shape, for every row: the best constant for the metric, or close to it."""
    import numpy as np

    n_classes = shape[0] if shape else None
    return np.broadcast_to(measure.best_constant(y, n_classes), (len(y), *shape))
