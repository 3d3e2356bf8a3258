"""The picked weights are close to the best for the rows they are picked on."""

from __future__ import annotations

import numpy as np
import pytest

from include.evaluation.metrics import Metric
from include.training import greedy
from include.training.greedy import pick_weights
from include.training.out_of_fold import mean_score

RMSE = Metric("regression", "rmse")


class Rows:
    """Labels of two folds, and predictions with independent errors, each larger than the previous."""

    def __init__(self, seed: int = 7) -> None:
        draw = np.random.default_rng(seed)
        self.y, self.fold = draw.normal(size=600), np.repeat([0, 1], 300)
        self.predictions = {
            name: self.y + draw.normal(0, size, 600) for name, size in zip("abc", (0.5, 0.6, 0.7), strict=True)
        }

    def pick(self, max_members: int = 3, seed: int = 7) -> dict[str, float]:
        """Pick weights on these rows."""
        return pick_weights(self.predictions, self.y, self.fold, RMSE, max_members, seed)


@pytest.mark.parametrize("seed", range(5))
def test_picked_weights_are_near_the_best_of_a_grid(seed: int) -> None:
    """No weights of two candidates on a grid of fiftieths are better by more than steps of a twentieth allow."""
    rows = Rows(seed)
    del rows.predictions["c"]

    found = rows.pick()

    grid = [share * rows.predictions["a"] + (1 - share) * rows.predictions["b"] for share in np.linspace(0, 1, 51)]
    best = max(mean_score(RMSE, rows.y, rows.fold, each) for each in grid)
    picked = sum(weight * rows.predictions[name] for name, weight in found.items())
    assert mean_score(RMSE, rows.y, rows.fold, picked) == pytest.approx(best, rel=2e-3)


def test_less_error_is_more_weight() -> None:
    """The greatest of three weights comes first, and the weights sum to 1."""
    found = Rows().pick()

    assert list(found) == ["a", "b", "c"]
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(1)


def test_the_mean_over_folds_counts_not_that_over_rows() -> None:
    """A small fold counts as much as a large one."""
    y, predicted = np.zeros(10), np.array([4.0] + [1.0] * 9)
    fold = np.array([0] + [1] * 9)

    assert mean_score(RMSE, y, fold, predicted) == -2.5


def test_candidates_no_better_than_a_constant_are_not_picked() -> None:
    """Candidates without skill get no weight."""
    rows = Rows()
    rows.predictions = {name: predicted + 9 for name, predicted in rows.predictions.items()}

    assert rows.pick() == {}


def test_weights_are_picked_on_a_draw_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large folds are sampled with the seed, and the weights are close to those of all rows."""
    rows = Rows()
    whole = rows.pick()
    monkeypatch.setattr(greedy, "MAX_FOLD_ROWS", 150)

    drawn = [rows.pick(seed=seed)["a"] for seed in range(5)]

    assert drawn == pytest.approx([whole["a"]] * 5, abs=0.25)
    assert len(set(drawn)) > 1
    assert rows.pick(seed=3)["a"] == drawn[3]
