"""Groups are measured as their definitions say, and are apart only by more than noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.evaluation.fairness import GroupGap, measure_fairness
from include.evaluation.metrics import Metric

BINARY = Metric("binary", "roc_auc", threshold=0.5)
DAYS = 20


def _fairness(measure: Metric, group: Any, y_true: np.ndarray, predicted: np.ndarray, **changes: Any) -> list[GroupGap]:
    how = {"min_rows": 100, "rounds": 300, "confidence": 0.95, "seed": 7} | changes
    days = how.pop("days", np.arange(len(y_true)) % DAYS)
    return measure_fairness(measure, pd.DataFrame({"group": group}), ["group"], y_true, days, predicted, **how)


def _by_measure(*args: Any, **changes: Any) -> dict[str, GroupGap]:
    return {each.measure: each for each in _fairness(*args, **changes)}


def test_a_binary_task_has_demographic_parity_and_equalised_odds() -> None:
    """The three rates of each group are those of its rows at the measure's threshold, and so is their gap."""
    draw = np.random.default_rng(7)
    group = np.where(draw.random(2000) < 0.4, "a", "b")
    y_true = (draw.random(2000) < 0.5).astype("float64")
    predicted = draw.random(2000) * np.where(group == "a", 0.9, 1)

    found = _by_measure(Metric("binary", "log_loss", threshold=0.7), group, y_true, predicted)

    positive = predicted >= 0.7
    counted = {
        "share predicted positive": y_true >= 0,
        "true positive rate": y_true == 1,
        "false positive rate": y_true == 0,
    }
    assert list(found) == list(counted)
    for name, among in counted.items():
        rates = {}
        for each in "ab":
            rates[each] = positive[among & (group == each)].mean()
            assert found[name].groups[each].value == pytest.approx(rates[each])
            assert found[name].groups[each].rows == (among & (group == each)).sum()
        assert found[name].gap == pytest.approx(rates["b"] - rates["a"])
        assert found[name].low < found[name].gap < found[name].high


def test_several_classes_have_accuracy() -> None:
    """The share of rows whose most probable class is the right one, in each group."""
    y_true = np.arange(600) % 3
    right = np.arange(600) % 4 > 0
    group = np.where(np.arange(600) < 300, "first", "second")
    right[:300] = True
    predicted = np.eye(3)[np.where(right, y_true, (y_true + 1) % 3)]

    [found] = _fairness(Metric("multiclass", "log_loss"), group, y_true, predicted)

    assert found.measure == "accuracy"
    assert {name: each.value for name, each in found.groups.items()} == {"first": 1.0, "second": 0.75}
    assert found.gap == 0.25


def test_numbers_have_their_mean_error_in_the_labels_spread() -> None:
    """A prediction that is 3 too high for a group is 3 standard deviations of 1 too high."""
    y_true = np.tile([-1.0, 1.0], 300)
    group = np.repeat(["low", "high"], 300)
    predicted = np.where(group == "high", 3.0, 0.0)

    [found] = _fairness(Metric("regression", "rmse"), group, y_true, predicted)

    assert found.measure == "mean error"
    assert {name: each.value for name, each in found.groups.items()} == {"high": 3.0, "low": 0.0}
    assert _fairness(Metric("forecasting", "mae"), group, y_true, predicted)[0].gap == 3.0


def test_a_quantile_has_the_share_below_it() -> None:
    """A model of a quantile is not to predict the mean: it is fair where the same share is below in each group."""
    draw = np.random.default_rng(7)
    group = np.repeat(["narrow", "wide"], 5000)
    y_true = draw.normal(0, np.where(group == "wide", 10, 1))
    predicted = 1.2816 * np.where(group == "wide", 10.0, 1.0)  # the true 0.9 quantile

    [found] = _fairness(Metric("regression", "pinball", quantile=0.9), group, y_true, predicted)

    assert found.measure == "share at or below the prediction"
    assert found.groups["wide"].value == pytest.approx(0.9, abs=0.02)
    assert found.low <= 0 <= found.high


def test_equal_labels_have_no_unit_for_an_error() -> None:
    """Labels without a spread leave the mean error without a value."""
    [found] = _fairness(Metric("regression", "mae"), np.repeat(["a", "b"], 200), np.ones(400), np.zeros(400))

    assert math.isnan(found.gap)
    assert math.isnan(found.low)


@pytest.mark.parametrize("groups", [2, 20])
def test_equal_groups_are_seldom_apart(groups: int) -> None:
    """Of groups that differ by chance only the two extreme ones are not apart, however many they were picked from."""
    apart = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        group = np.arange(3000) // DAYS % groups
        y_true = draw.normal(size=3000)
        [found] = _fairness(Metric("regression", "rmse"), group, y_true, np.zeros(3000))
        assert found.gap > 0
        apart += found.low > 0

    assert apart <= 3


def test_two_groups_have_the_interval_that_holds_their_gap() -> None:
    """The interval of a known gap has it inside in about as many cases as it says, and is not far wider."""
    inside, widths = 0, []
    for seed in range(40):
        draw = np.random.default_rng(seed)
        group = np.where(draw.random(2000) < 0.5, "a", "b")
        predicted = (draw.random(2000) < np.where(group == "a", 0.5, 0.3)).astype("float64")
        found = _by_measure(BINARY, group, (draw.random(2000) < 0.5) * 1.0, predicted)["share predicted positive"]
        inside += found.low <= 0.2 <= found.high
        widths.append((found.high - found.low) / 2)

    assert inside >= 35
    exact = 1.96 * math.sqrt((0.25 + 0.21) / 1000)  # of two independent shares
    assert np.mean(widths) == pytest.approx(exact, rel=0.25)


def test_a_rate_of_few_rows_has_no_value() -> None:
    """A group with 29 positives has a share predicted positive, but no true positive rate."""
    group = np.repeat(["a", "b"], 300)
    y_true = np.ones(600)
    y_true[300:571] = 0

    found = _by_measure(BINARY, group, y_true, np.where(np.arange(600) < 400, 1.0, 0.0))

    assert found["true positive rate"].groups["b"].rows == 29
    assert math.isnan(found["true positive rate"].groups["b"].value)
    assert math.isnan(found["true positive rate"].gap)
    assert found["share predicted positive"].gap == pytest.approx(2 / 3)


def test_a_group_of_one_day_has_no_value() -> None:
    """A group with rows on a single day has no value, and the other groups are compared."""
    group = np.array(["a", "b", "c"])[np.arange(3000) % 3]
    days = np.where(group == "c", 4, np.arange(3000) // 3 % DAYS)

    found = _by_measure(BINARY, group, np.arange(3000) % 2 * 1.0, (group == "a") * 1.0, days=days)

    share = found["share predicted positive"]
    assert math.isnan(share.groups["c"].value)
    assert (share.gap, share.low, share.high) == (1, 1, 1)


def test_a_holdout_of_one_day_has_no_interval() -> None:
    """The gap is known, but not how much of it is noise."""
    group = np.repeat(["a", "b"], 300)
    share = _by_measure(BINARY, group, np.ones(600), (group == "a") * 1.0, days=np.zeros(600))

    assert share["share predicted positive"].gap == 1
    assert math.isnan(share["share predicted positive"].low)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_non_finite_prediction_leaves_no_gap(task: str) -> None:
    """One NaN spoils its group's value, and with two groups the gap."""
    predicted = np.full((400, 3), 1 / 3) if task == "multiclass" else np.full(400, 0.7)
    predicted[5] = math.nan
    metric = "rmse" if task == "regression" else "log_loss"

    found = _fairness(Metric(task, metric), np.repeat(["a", "b"], 200), np.arange(400) % 2 * 1.0, predicted)[0]

    assert math.isnan(found.groups["a"].value)
    assert not math.isnan(found.groups["b"].value)
    assert math.isnan(found.gap)


def test_a_column_of_one_value_has_no_gap() -> None:
    """Each column has its measures, so that what could not be compared is seen."""
    found = _fairness(BINARY, ["a"] * 400, np.arange(400) % 2 * 1.0, np.full(400, 0.7))

    assert [list(each.groups) for each in found] == [["a"]] * 3
    assert all(math.isnan(each.gap) for each in found)


def test_without_rows_there_is_no_gap() -> None:
    """An empty holdout is no error."""
    found = _fairness(BINARY, np.array([], dtype="object"), np.array([]), np.array([]))

    assert [each.groups for each in found] == [{}, {}, {}]


def test_the_same_seed_gives_the_same_interval() -> None:
    """A repeated measurement is equal to the last bit, and another seed draws other days."""
    draw = np.random.default_rng(7)
    args = BINARY, np.repeat(["a", "b"], 500), (draw.random(1000) < 0.5) * 1.0, draw.random(1000)

    first, second, other = (_fairness(*args, seed=seed) for seed in (1, 1, 2))

    assert first == second
    assert first[0].low != other[0].low
