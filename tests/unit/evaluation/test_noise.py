"""The bootstrap over days agrees with measuring each draw by hand, and calls noise noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.evaluation.metrics import metric_value
from include.evaluation.noise import CHUNK_ROUNDS, Difference, of_draws, paired_difference
from include.training_config import METRICS

ALL_METRICS = [metric for metrics in METRICS.values() for metric in metrics]
each_metric = pytest.mark.parametrize("metric", ALL_METRICS)


class Rows:
    """Labels of some days, and the predictions of a good and a worse model."""

    def __init__(self, metric: str, seed: int = 7, days: int = 14, rows: int = 700) -> None:
        draw = np.random.default_rng(seed)
        self.day = np.sort(np.append(np.arange(days), draw.integers(0, days, rows - days)))
        self.days = (np.datetime64("2024-02-01") + self.day).astype(str)
        truth = draw.normal(size=rows) + 0.3 * np.sin(self.day)
        if metric in METRICS["binary"]:
            self.y_true = (truth + draw.normal(0, 0.5, rows) > 0).astype("float64")
            self.good, self.worse = (1 / (1 + np.exp(-truth - draw.normal(0, noise, rows))) for noise in (0.1, 2))
        else:
            self.y_true = 50 + 10 * truth
            self.good, self.worse = (self.y_true + draw.normal(0, noise, rows) for noise in (1, 6))

    def difference(self, metric: str, first: np.ndarray, second: np.ndarray, **changes: object) -> Difference:
        """Compare two predictions of these rows."""
        how = {"rounds": 200, "confidence": 0.95, "seed": 7} | changes
        return paired_difference(metric, self.y_true, self.days, first, second, **how)  # type: ignore[arg-type]


@each_metric
@pytest.mark.parametrize("seed", range(5))
def test_each_day_drawn_once_is_the_metric_itself(metric: str, seed: int) -> None:
    """With every day drawn once, the sums by day come to scikit-learn's number."""
    rows = Rows(metric, seed)
    once = np.ones((1, 14), dtype="int64")

    found = of_draws(metric, rows.y_true, rows.worse, rows.day)(once)

    assert found == pytest.approx([metric_value(metric, rows.y_true, rows.worse)], abs=1e-9)


@each_metric
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", [False, True])
def test_a_draw_is_the_metric_of_its_days_repeated(metric: str, seed: int, ties: bool) -> None:
    """A day drawn twice counts as if its rows were there twice, also where predictions are tied."""
    rows = Rows(metric, seed, days=10, rows=300)
    predicted = np.round(rows.worse, 1).clip(0.05, 0.95 if metric in METRICS["binary"] else None)
    predicted = predicted if ties else rows.worse
    draws = np.random.default_rng(seed).multinomial(10, np.full(10, 0.1), size=30)

    found = of_draws(metric, rows.y_true, predicted, rows.day)(draws)

    for drawn, value in zip(draws, found, strict=True):
        repeated = np.repeat(np.arange(len(rows.day)), drawn[rows.day])
        expected = metric_value(metric, rows.y_true[repeated], predicted[repeated])
        assert value == pytest.approx(expected, abs=1e-9)


def test_more_draws_than_a_chunk_are_all_measured() -> None:
    """The average precision of many draws does not depend on how many are held in memory at once."""
    rows = Rows("average_precision")
    draws = np.random.default_rng(7).multinomial(14, np.full(14, 1 / 14), size=2 * CHUNK_ROUNDS + 5)
    measure = of_draws("average_precision", rows.y_true, rows.worse, rows.day)

    found = measure(draws)

    assert len(found) == len(draws)
    assert found == pytest.approx([measure(draw[None])[0] for draw in draws], abs=1e-12)


@each_metric
def test_certain_and_wrong_predictions_stay_finite(metric: str) -> None:
    """Predictions of exactly 0 and 1 are clipped as scikit-learn does it."""
    rows = Rows(metric)
    predicted = np.round(rows.worse.clip(0, 1))

    found = of_draws(metric, rows.y_true, predicted, rows.day)(np.ones((1, 14), dtype="int64"))

    assert found == pytest.approx([metric_value(metric, rows.y_true, predicted)], abs=1e-9)


@each_metric
def test_identical_models_differ_by_exactly_nothing(metric: str) -> None:
    """The same predictions twice are a tie in every draw, to the last bit."""
    rows = Rows(metric)

    found = rows.difference(metric, rows.good, rows.good.copy())

    assert (found.value, found.low, found.high) == (0, 0, 0)


@each_metric
def test_a_clearly_better_model_is_better_in_every_metric(metric: str) -> None:
    """The difference is above 0 for the better model, whichever direction the metric has."""
    rows = Rows(metric)

    better = rows.difference(metric, rows.good, rows.worse)
    worse = rows.difference(metric, rows.worse, rows.good)

    assert 0 < better.low < better.value < better.high
    assert (worse.value, worse.low, worse.high) == pytest.approx((-better.value, -better.high, -better.low))
    sign = 1 if METRICS["binary" if metric in METRICS["binary"] else "regression"][metric] else -1
    expected = metric_value(metric, rows.y_true, rows.good) - metric_value(metric, rows.y_true, rows.worse)
    assert better.value == pytest.approx(sign * expected)


@each_metric
def test_noise_alone_is_not_better(metric: str) -> None:
    """Two models that differ by chance only have an interval with 0 in it."""
    rows = Rows(metric)
    draw = np.random.default_rng(2)
    first, second = (rows.good + draw.normal(0, 0.001, len(rows.good)) for _ in range(2))
    if metric in METRICS["binary"]:
        first, second = first.clip(0, 1), second.clip(0, 1)

    found = rows.difference(metric, first, second, rounds=500)

    assert found.low < 0 < found.high


@each_metric
@pytest.mark.parametrize("which", ["first", "second"])
def test_a_nan_prediction_leaves_no_difference(metric: str, which: str) -> None:
    """One NaN on either side makes the difference and its interval NaN, and keeps the number of days."""
    rows = Rows(metric)
    broken = rows.worse.copy()
    broken[3] = math.nan
    first, second = (broken, rows.good) if which == "first" else (rows.good, broken)

    found = rows.difference(metric, first, second)

    assert all(math.isnan(value) for value in (found.value, found.low, found.high))
    assert found.blocks == 14


@each_metric
def test_the_same_seed_gives_the_same_interval(metric: str) -> None:
    """A repeated comparison is the same to the last bit, and another seed draws other days."""
    rows = Rows(metric)

    first, second, other = (rows.difference(metric, rows.good, rows.worse, seed=seed) for seed in (1, 1, 2))

    assert first == second
    assert (first.low, first.high) != (other.low, other.high)
    assert first.value == other.value


@each_metric
def test_the_order_of_the_rows_does_not_matter(metric: str) -> None:
    """Shuffled rows give the same difference and the same interval."""
    rows = Rows(metric)
    before = rows.difference(metric, rows.good, rows.worse)
    order = np.random.default_rng(7).permutation(len(rows.day))
    good, worse = rows.good[order], rows.worse[order]
    rows.y_true, rows.days = rows.y_true[order], rows.days[order]

    after = rows.difference(metric, good, worse)

    assert (after.value, after.low, after.high) == pytest.approx((before.value, before.low, before.high), abs=1e-9)


def test_more_confidence_is_a_wider_interval() -> None:
    """The interval grows with the confidence that is asked of it, and says which that was."""
    rows = Rows("roc_auc")

    narrow, wide = (rows.difference("roc_auc", rows.good, rows.worse, confidence=each) for each in (0.8, 0.99))

    assert wide.low < narrow.low < narrow.high < wide.high
    assert (narrow.confidence, wide.confidence, wide.rounds, wide.blocks) == (0.8, 0.99, 200, 14)


def test_rows_of_one_day_are_not_taken_for_independent() -> None:
    """Where a whole day is good or bad together, the interval is wider than rows drawn one by one would have."""
    draw = np.random.default_rng(7)
    day = np.repeat(np.arange(20), 100)
    y_true = np.zeros(2000)
    first, second = np.zeros(2000), draw.normal(0.1, 1, 20)[day]
    days, alone = day.astype(str), np.arange(2000).astype(str)

    by_day, by_row = (
        paired_difference("mae", y_true, each, first, second, rounds=300, confidence=0.95, seed=7)
        for each in (days, alone)
    )

    assert by_day.high - by_day.low > 5 * (by_row.high - by_row.low)


def test_one_class_in_many_draws_leaves_no_interval() -> None:
    """Where most draws hold a single class, the metric is there and its interval is not."""
    days = np.repeat([f"2024-02-{day:02}" for day in range(1, 11)], 20)
    y_true = np.zeros(200)
    y_true[:3] = 1
    predicted = np.random.default_rng(7).random(200)

    found = paired_difference("roc_auc", y_true, days, y_true, predicted, rounds=200, confidence=0.95, seed=7)

    assert found.value > 0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_a_draw_without_a_positive_has_no_ranking(metric: str) -> None:
    """A draw of days on which nothing happened is NaN, and the draws beside it are not touched."""
    day, y_true = np.repeat([0, 1], 4), np.array([0, 0, 0, 0, 0, 1, 0, 1.0])
    predicted = np.linspace(0, 1, 8)

    found = of_draws(metric, y_true, predicted, day)(np.array([[2, 0], [1, 1]]))

    assert math.isnan(found[0])
    assert found[1] == pytest.approx(metric_value(metric, y_true, predicted))


def test_a_draw_of_equal_labels_has_no_r2() -> None:
    """A draw in which every label is the same is NaN, as it is for the metric itself."""
    day, y_true = np.repeat([0, 1, 2], 7), np.repeat([0.1, 0.3, 0.7], 7)
    predicted = y_true + np.linspace(-0.05, 0.05, 21)

    found = of_draws("r2", y_true, predicted, day)(np.array([[3, 0, 0], [0, 3, 0], [0, 0, 3]]))

    assert np.isnan(found).all()
