"""Among about equally good families, the simplest becomes the challenger."""

from __future__ import annotations

import numpy as np
import pytest

from include.evaluation.metrics import Metric
from include.training.out_of_fold import mean_score
from include.training.single import choose_single

ROWS, DAYS = 600, 30
HOW = {"rounds": 300, "confidence": 0.95, "seed": 7}
MEASURE = Metric("regression", "rmse")
FOLD = np.repeat([0, 1, 2], ROWS // 3)


def _table(seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=ROWS), np.repeat(np.arange(DAYS), ROWS // DAYS), draw


def test_a_simpler_family_within_a_standard_error_is_taken() -> None:
    """A difference within one standard error counts as luck, and the sentence has its size."""
    y, days, draw = _table(seed=1)
    noise = draw.normal(size=(2, ROWS))
    simple, best = sorted((y + noise[0], y + noise[1]), key=lambda each: mean_score(MEASURE, y, FOLD, each))

    family, reason = choose_single({"linear": simple, "lightgbm": best}, "lightgbm", y, FOLD, days, MEASURE, **HOW)

    assert family == "linear"
    assert reason is not None
    assert "linear rather than lightgbm: the mean rmse of lightgbm over the 3 folds is better by 0.0" in reason


def test_a_family_that_is_better_by_more_is_taken() -> None:
    """A certain gain is worth the complexity."""
    y, days, draw = _table()
    noise = draw.normal(size=ROWS)

    found = choose_single({"linear": y + noise, "lightgbm": y + 0.5 * noise}, "lightgbm", y, FOLD, days, MEASURE, **HOW)

    assert found == ("lightgbm", None)


def test_a_family_less_simple_than_the_best_is_not_considered() -> None:
    """The families are ordered from simple to complex."""
    y, days, draw = _table()
    noise = draw.normal(size=ROWS)

    assert (
        choose_single({"linear": y + noise, "lightgbm": y + noise}, "linear", y, FOLD, days, MEASURE, **HOW)[0]
        == "linear"
    )


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "f1", "log_loss", "brier"])
def test_a_score_is_compared_with_scores_of_its_own_fold(metric: str) -> None:
    """A churn model once led by 0.03 and lost to a linear model, because the folds' scores had different scales.

    Each fold has a model of its own. Of all rows at once, a row of a fold whose scores are low ranks below every row of
    the fold whose scores are high, which says nothing of either model.
    """
    draw = np.random.default_rng(7)
    y, days = draw.integers(0, 2, ROWS).astype("float64"), np.repeat(np.arange(DAYS), ROWS // DAYS)
    good = 0.5 + 0.1 * (2 * y - 1) + draw.normal(0, 0.05, ROWS) + np.array([-0.3, 0.0, 0.3])[FOLD]
    line = 0.5 + 0.1 * (2 * y - 1) + draw.normal(0, 0.14, ROWS)
    measure = Metric("binary", metric)
    predictions = {"linear": np.clip(line, 0.01, 0.99), "lightgbm": np.clip(good, 0.01, 0.99)}
    scores = {family: mean_score(measure, y, FOLD, each) for family, each in predictions.items()}
    best = max(scores, key=scores.__getitem__)
    if metric == "roc_auc":
        assert best == "lightgbm"
        assert measure.value(y, predictions["linear"]) > measure.value(y, predictions["lightgbm"])

    found, reason = choose_single(predictions, best, y, FOLD, days, measure, **HOW)

    assert found == best
    assert reason is None


@pytest.mark.parametrize("broken", ["one day", "undefined"])
def test_without_a_standard_error_the_best_stays(broken: str) -> None:
    """Without an interval there is no standard error."""
    y, days, draw = _table()
    simple, best = y + draw.normal(size=ROWS), y + 0.99 * draw.normal(size=ROWS)
    if broken == "one day":
        days = np.zeros_like(days)
    else:
        simple = np.full(ROWS, np.nan)

    assert (
        choose_single({"linear": simple, "lightgbm": best}, "lightgbm", y, FOLD, days, MEASURE, **HOW)[0] == "lightgbm"
    )
