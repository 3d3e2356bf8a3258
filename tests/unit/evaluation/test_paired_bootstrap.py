"""The bootstrap over days finds the better model, and calls noise noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.evaluation.metrics import Metric
from include.evaluation.paired_bootstrap import paired_difference
from tests.unit.evaluation.compared import Rows, at, each_measure, named


@each_measure
def test_identical_models_differ_by_exactly_nothing(measure: Metric) -> None:
    """The same predictions twice are a tie on every resample, to the last bit."""
    rows = Rows(measure.task)

    found = rows.difference(measure, rows.good, rows.good.copy())

    assert (found.value, found.low, found.high) == (0, 0, 0)


@each_measure
def test_a_clearly_better_model_is_better_in_every_metric(measure: Metric) -> None:
    """The difference is above 0 for the better model, whichever direction the metric has."""
    rows = Rows(measure.task)

    better = rows.difference(measure, rows.good, rows.worse)
    worse = rows.difference(measure, rows.worse, rows.good)

    assert 0 < better.low < better.value < better.high
    assert (worse.value, worse.low, worse.high) == pytest.approx((-better.value, -better.high, -better.low))
    expected = measure.value(rows.y_true, rows.good) - measure.value(rows.y_true, rows.worse)
    assert better.value == pytest.approx(measure.sign * expected)


@each_measure
def test_noise_alone_is_seldom_better(measure: Metric) -> None:
    """Of models that differ by chance only, the interval has 0 in it in about as many cases as it says."""
    around_0 = 0
    for seed in range(20):
        rows = Rows(measure.task, seed)
        first, second = (rows.blurred(rows.good, by=0.02, seed=each) for each in (2 * seed, 2 * seed + 1))
        found = rows.difference(measure, first, second)
        around_0 += found.low < 0 < found.high

    # fewer than 95%, since an interval of only 14 days is somewhat too narrow
    assert around_0 >= 15


@each_measure
@pytest.mark.parametrize("which", ["first", "second"])
def test_a_nan_prediction_leaves_no_difference(measure: Metric, which: str) -> None:
    """One NaN on either side makes the difference and its interval NaN, and keeps the number of days."""
    rows = Rows(measure.task)
    broken = rows.worse.copy()
    broken[3] = math.nan
    first, second = (broken, rows.good) if which == "first" else (rows.good, broken)

    found = rows.difference(measure, first, second)

    assert all(math.isnan(value) for value in (found.value, found.low, found.high))
    assert found.blocks == 14


@each_measure
def test_the_same_seed_gives_the_same_interval(measure: Metric) -> None:
    """A repeated comparison is equal to the last bit, and another seed draws other days."""
    rows = Rows(measure.task)

    first, second, other = (rows.difference(measure, rows.good, rows.worse, seed=seed) for seed in (1, 1, 2))

    assert first == second
    assert (first.low, first.high) != (other.low, other.high)
    assert first.value == other.value


@each_measure
def test_the_order_of_the_rows_does_not_matter(measure: Metric) -> None:
    """Shuffled rows give the same difference and the same interval."""
    rows = Rows(measure.task)
    before = rows.difference(measure, rows.good, rows.worse)
    order = np.random.default_rng(7).permutation(len(rows.day))
    good, worse = rows.good[order], rows.worse[order]
    rows.y_true, rows.days = rows.y_true[order], rows.days[order]

    after = rows.difference(measure, good, worse)

    assert (after.value, after.low, after.high) == pytest.approx((before.value, before.low, before.high), abs=1e-9)


def test_more_confidence_is_a_wider_interval() -> None:
    """The interval grows with the confidence that is asked of it, and says which that was."""
    rows, measure = Rows("binary"), named("binary", "roc_auc")

    narrow, wide = (rows.difference(measure, rows.good, rows.worse, confidence=each) for each in (0.8, 0.99))

    assert wide.low < narrow.low < narrow.high < wide.high
    assert (narrow.confidence, wide.confidence, wide.rounds, wide.blocks) == (0.8, 0.99, 200, 14)


def test_rows_of_one_day_are_not_taken_for_independent() -> None:
    """Where whole days are good or bad together, the interval is wider than from resampled single rows."""
    draw = np.random.default_rng(7)
    day = np.repeat(np.arange(20), 100)
    y_true = np.zeros(2000)
    first, second = np.zeros(2000), draw.normal(0.1, 1, 20)[day]
    days, alone = day.astype(str), np.arange(2000).astype(str)

    by_day, by_row = (
        paired_difference(Metric("regression", "mae"), y_true, each, first, second, rounds=300, confidence=0.95, seed=7)
        for each in (days, alone)
    )

    assert by_day.high - by_day.low > 5 * (by_row.high - by_row.low)


def test_one_class_in_many_resamples_leaves_no_interval() -> None:
    """Where most resamples hold a single class, the metric is defined and its interval is not."""
    days = np.repeat([f"2024-02-{day:02}" for day in range(1, 11)], 20)
    y_true = np.zeros(200)
    y_true[:3] = 1
    predicted = np.random.default_rng(7).random(200)

    found = paired_difference(
        Metric("binary", "roc_auc"), y_true, days, y_true, predicted, rounds=200, confidence=0.95, seed=7
    )

    assert found.value > 0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_class_that_most_resamples_lack_leaves_no_interval() -> None:
    """Where one class is seen on a single day, the mean over classes is there and its interval is not."""
    rows, measure = Rows("multiclass"), named("multiclass", "roc_auc_ovr")
    rows.y_true[(rows.y_true == 3) & (rows.day > 0)] = 2

    found = rows.difference(measure, rows.good, rows.worse)

    assert found.value > 0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


class TestTwoThresholds:
    """Each model counts as positive what its own threshold says."""

    rows, measure = Rows("binary"), named("binary", "f1")

    def test_the_second_model_is_measured_at_its_own(self) -> None:
        """The difference is that of the two metrics, each at the threshold of its model."""
        found = self.rows.difference(self.measure, self.rows.good, self.rows.worse, second_threshold=0.7)

        first = self.measure.value(self.rows.y_true, self.rows.good)
        second = at(self.measure, 0.7).value(self.rows.y_true, self.rows.worse)
        assert found.value == pytest.approx(first - second)
        assert found.low < found.value < found.high

    def test_the_same_model_at_another_threshold_is_another(self) -> None:
        """One model at two thresholds differs from itself, and at one threshold it does not."""
        apart = self.rows.difference(self.measure, self.rows.good, self.rows.good, second_threshold=0.95)
        same = self.rows.difference(self.measure, self.rows.good, self.rows.good, second_threshold=0.4)

        assert apart.low > 0
        assert (same.value, same.low, same.high) == (0, 0, 0)


@each_measure
def test_of_folds_the_mean_of_their_differences_is_taken(measure: Metric) -> None:
    """With folds the difference is what a search ranks by: the metric of each fold, and the mean over the folds."""
    rows = Rows(measure.task)
    fold = (rows.day >= 6).astype("int64")
    parts = [fold == 0, fold == 1]

    found = paired_difference(
        *(measure, rows.y_true, rows.days, rows.good, rows.worse), rounds=200, confidence=0.95, seed=7, fold=fold
    )

    gains = [
        measure.sign * (measure.value(rows.y_true[part], rows.good[part]) - measure.value(rows.y_true[part], other))
        for part in parts
        for other in [rows.worse[part]]
    ]
    assert found.value == pytest.approx(np.mean(gains))
    assert found.low < found.value < found.high
    assert found.blocks == 14


def test_one_fold_is_all_rows() -> None:
    """A difference on one fold is the same as without folds, to the last bit."""
    rows, measure = Rows("binary"), named("binary", "roc_auc")
    how = {"rounds": 200, "confidence": 0.95, "seed": 7}
    given = (measure, rows.y_true, rows.days, rows.good, rows.worse)

    assert paired_difference(*given, **how, fold=np.zeros_like(rows.day)) == paired_difference(*given, **how)
