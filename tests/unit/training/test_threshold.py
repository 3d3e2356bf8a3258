"""The threshold follows the pipeline's rule, among all that the probabilities distinguish."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from include.config.training import Threshold
from include.core.errors import TrainingImpossible
from include.training.threshold import choose_threshold

#: Ten rows by descending probability; of 0.6 there are three.
PROBABILITIES = np.array([0.9, 0.8, 0.7, 0.6, 0.6, 0.6, 0.4, 0.3, 0.2, 0.1])
LABELS = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0])


def _many(seed: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Return 500 labels and probabilities, with more ties the fewer decimals they have."""
    draw = np.random.default_rng(seed)
    probabilities = draw.random(500).round(decimals)
    return (draw.random(500) < probabilities).astype("float64"), probabilities


def test_f1_is_the_greatest_by_default() -> None:
    """At 0.3 all five positives are among eight rows, and no other threshold has a higher F1."""
    found = choose_threshold(Threshold(), LABELS, PROBABILITIES)

    assert (found.value, found.precision, found.recall) == pytest.approx((0.3, 5 / 8, 1))
    assert (found.f1, found.cost) == (pytest.approx(10 / 13), None)
    assert found.reason == "the threshold 0.3 has the greatest F1, 0.769, on 10 out-of-fold rows"


@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize("seed", range(5))
def test_f1_agrees_with_trying_every_threshold(seed: int, decimals: int) -> None:
    """No distinct probability has a higher F1 by scikit-learn, with or without ties."""
    y, probabilities = _many(seed, decimals)

    found = choose_threshold(Threshold(), y, probabilities)

    each = [metrics.f1_score(y, probabilities >= value) for value in np.unique(probabilities)]
    flagged = probabilities >= found.value
    assert found.f1 == pytest.approx(max(each))
    assert found.f1 == pytest.approx(metrics.f1_score(y, flagged))
    assert found.precision == pytest.approx(metrics.precision_score(y, flagged))
    assert found.recall == pytest.approx(metrics.recall_score(y, flagged))


def test_the_highest_of_equally_good_thresholds_is_taken() -> None:
    """If two thresholds have the same F1, the one that flags fewer rows is chosen."""
    y, probabilities = np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.9, 0.6, 0.5, 0.4])

    found = choose_threshold(Threshold(), y, probabilities)

    assert metrics.f1_score(y, probabilities >= 0.9) == metrics.f1_score(y, probabilities >= 0.4) == found.f1
    assert found.value == 0.9


@pytest.mark.parametrize(
    ("precision", "value"),
    [
        pytest.param(0.99, 0.8, id="two of two, although the first alone has it as well"),
        pytest.param(0.66, 0.6, id="four of six, although it is less at 0.7 than above"),
        pytest.param(0.6, 0.3, id="five of eight"),
        pytest.param(0.1, 0.1, id="all rows"),
    ],
)
def test_the_lowest_threshold_with_the_precision_is_taken(precision: float, value: float) -> None:
    """It finds the most positives at the required precision, even if precision dips in between."""
    found = choose_threshold(Threshold(precision=precision), LABELS, PROBABILITIES)

    assert found.value == value
    assert found.precision >= precision
    assert "is the lowest with a precision of at least" in found.reason


def test_a_precision_exactly_as_asked_is_enough() -> None:
    """Three of four is a precision of 0.75."""
    y, probabilities = np.array([1.0, 1.0, 1.0, 0.0, 0.0]), np.array([0.9, 0.8, 0.7, 0.7, 0.1])

    assert choose_threshold(Threshold(precision=0.75), y, probabilities).value == 0.7


def test_if_no_precision_is_enough_the_best_is_taken() -> None:
    """The lowest threshold with the best precision is chosen, and the reason has both numbers."""
    y = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    probabilities = np.array([0.9, 0.8, 0.7, 0.6, 0.1])

    found = choose_threshold(Threshold(precision=0.9), y, probabilities)

    assert (found.value, found.precision) == (0.6, 0.5)
    assert found.reason == (
        "the threshold 0.6 has the best precision, 0.5, since none reaches the required 0.9, on 5 out-of-fold rows"
    )


@pytest.mark.parametrize("decimals", [1, 12])
@pytest.mark.parametrize(("false_positive", "false_negative"), [(1.0, 1.0), (1.0, 10.0), (7.0, 2.0)])
def test_costs_agree_with_trying_every_threshold(false_positive: float, false_negative: float, decimals: int) -> None:
    """No threshold has a lower cost per row, and it is near the optimum in theory for true probabilities."""
    y, probabilities = _many(3, decimals)
    rule = Threshold(false_positive_cost=false_positive, false_negative_cost=false_negative)

    found = choose_threshold(rule, y, probabilities)

    def cost(value: float) -> float:
        flagged = probabilities >= value
        return float((false_positive * (flagged & (y == 0)) + false_negative * (~flagged & (y == 1))).mean())

    assert found.cost == pytest.approx(min(cost(value) for value in [*np.unique(probabilities), 2]))
    assert found.cost == pytest.approx(cost(found.value))
    assert found.value == pytest.approx(false_positive / (false_positive + false_negative), abs=0.15)
    assert f"has the lowest cost, {found.cost:.4g} per row" in found.reason


def test_counting_no_row_as_positive_may_cost_least() -> None:
    """If false alarms cost far more than misses, the threshold lies just above every probability."""
    rule = Threshold(false_positive_cost=100, false_negative_cost=1)
    y, probabilities = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.5, 0.2])

    found = choose_threshold(rule, y, probabilities)

    assert not (probabilities >= found.value).any()
    assert 1 < found.value < 1 + 1e-9
    assert (found.precision, found.recall, found.f1, found.cost) == (0, 0, 0, pytest.approx(1 / 3))
    assert "by counting no row as positive" in found.reason


def test_one_probability_for_all_leaves_one_choice() -> None:
    """If all rows have one probability, all of them are positive."""
    found = choose_threshold(Threshold(), np.array([1.0, 0.0, 0.0, 1.0]), np.full(4, 0.25))

    assert (found.value, found.precision, found.recall) == (0.25, 0.5, 1)


def test_the_order_of_the_rows_does_not_matter() -> None:
    """Shuffled rows give the same threshold."""
    y, probabilities = _many(1, 2)
    order = np.random.default_rng(7).permutation(len(y))

    assert choose_threshold(Threshold(), y[order], probabilities[order]) == choose_threshold(
        Threshold(), y, probabilities
    )


def test_probabilities_of_single_precision_flag_the_same_rows() -> None:
    """A threshold of float32 probabilities is one of them, so the row at the threshold stays positive."""
    y, probabilities = _many(2, 12)
    single = probabilities.astype("float32")

    found = choose_threshold(Threshold(), y, single)

    assert (single.astype("float64") == found.value).sum() == 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_without_a_probability_is_refused(value: float) -> None:
    """The error has the number of rows without a finite out-of-fold probability."""
    holed = PROBABILITIES.copy()
    holed[4] = value

    with pytest.raises(TrainingImpossible, match="not finite in 1 of 10 rows"):
        choose_threshold(Threshold(), LABELS, holed)


def test_no_positive_row_is_refused() -> None:
    """Without a positive row there is no threshold, and the sentence says how to get more rows."""
    with pytest.raises(TrainingImpossible, match=r"^none of the 10 rows of the folds is positive.*lower training"):
        choose_threshold(Threshold(), np.zeros(10), PROBABILITIES)
