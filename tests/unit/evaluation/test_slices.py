"""A slice compares both models on its own rows, and many of them do not make a false alarm."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from include.evaluation.paired_bootstrap import paired_difference
from include.evaluation.slices import MOST_SLICES, SliceResult, measure_slices
from tests.unit.evaluation.compared import Rows, each_measure, named

if TYPE_CHECKING:
    from include.evaluation.metrics import Metric

AUC = named("binary", "roc_auc")


def _frame(rows: Rows, names: str = "abcd") -> pd.DataFrame:
    of_row = np.arange(len(rows.y_true)) % len(names)
    return pd.DataFrame({"letter": np.array(list(names))[of_row], "number": np.arange(len(rows.y_true))})


def _slices(
    measure: Metric, rows: Rows, frame: pd.DataFrame, challenger: np.ndarray, champion: Any, **changes: Any
) -> list[SliceResult]:
    how = {"min_rows": 100, "rounds": 200, "confidence": 0.95, "seed": 7} | changes
    columns = how.pop("columns", ["letter"])
    return measure_slices(measure, frame, columns, rows.y_true, rows.days, challenger, champion, **how)


@each_measure
def test_a_slice_is_measured_on_its_own_rows(measure: Metric) -> None:
    """Metrics and difference are those of the slice's rows alone, and the intervals account for all slices."""
    rows = Rows(measure.task)
    found = _slices(measure, rows, _frame(rows), rows.good, rows.worse, champion_threshold=0.6)

    assert [(each.column, each.value, each.rows) for each in found] == [("letter", name, 175) for name in "abcd"]
    of = slice(1, None, 4)
    alone = paired_difference(
        measure,
        rows.y_true[of],
        rows.days[of],
        rows.good[of],
        rows.worse[of],
        rounds=found[1].difference.rounds,
        confidence=1 - 0.05 / 4,
        seed=7,
        second_threshold=0.6,
    )
    assert found[1].challenger == measure.value(rows.y_true[of], rows.good[of])
    assert measure.sign * (found[1].challenger - found[1].champion) == pytest.approx(alone.value)
    assert found[1].difference.value == alone.value
    assert found[1].difference.confidence == pytest.approx(1 - 0.05 / 4)
    # Student's t of 14 days is wider than the percentiles are
    assert found[1].difference.low < alone.low < alone.high < found[1].difference.high


def test_a_slice_that_is_worse_is_found_among_those_that_are_better() -> None:
    """A model that is better on the whole, and worse for one value, is worse there by more than noise."""
    rows = Rows("binary", rows=4000)
    frame = _frame(rows)
    challenger = np.where(frame["letter"] == "c", rows.worse, rows.good)
    champion = np.where(frame["letter"] == "c", rows.good, rows.worse)

    found = _slices(AUC, rows, frame, challenger, champion)

    assert {each.value: each.difference.high < 0 for each in found} == dict(zip("abcd", [0, 0, 1, 0], strict=True))


def test_many_slices_of_equal_models_are_seldom_a_false_alarm() -> None:
    """Of models that differ by chance, hardly any slice of the 20 is worse; single intervals would find several."""
    brier, alarms, single = named("binary", "brier"), 0, 0
    for seed in range(15):
        rows = Rows("binary", seed, days=20, rows=2000)
        challenger, champion = (rows.blurred(rows.worse, 0.1, each) for each in (2 * seed + 1000, 2 * seed + 1001))
        frame = _frame(rows, "abcdefghijklmnopqrst")
        found = _slices(brier, rows, frame, challenger, champion, min_rows=50)
        alarms += any(each.difference.high < 0 for each in found)
        for at in range(20):
            of = slice(at, None, 20)
            alone = paired_difference(
                brier,
                *(each[of] for each in (rows.y_true, rows.days, challenger, champion)),
                rounds=200,
                confidence=0.95,
                seed=7,
            )
            single += alone.high < 0

    assert alarms <= 2
    assert single >= 5


def test_a_slice_of_one_class_is_listed_and_not_judged() -> None:
    """Where the metric is not defined there is no number to judge by, and the other slices have theirs."""
    rows = Rows("binary")
    only_positive = (rows.y_true == 1) & (np.arange(700) % 3 > 0)
    frame = _frame(rows).assign(letter=np.where(only_positive, "positive", "any"))

    found = {each.value: each for each in _slices(AUC, rows, frame, rows.good, rows.worse)}

    assert math.isnan(found["positive"].challenger)
    assert math.isnan(found["positive"].champion)
    assert math.isnan(found["positive"].difference.high)
    assert found["any"].difference.low < found["any"].difference.high


def test_a_slice_of_a_single_day_is_not_judged() -> None:
    """One day says nothing of noise: the difference has no interval, instead of one of no width."""
    rows = Rows("binary", rows=2000)
    frame = _frame(rows).assign(letter=np.where(rows.day == 3, "new", "usual"))

    found = {each.value: each.difference for each in _slices(AUC, rows, frame, rows.worse, rows.good)}

    assert found["new"].value < 0
    assert math.isnan(found["new"].low)
    assert math.isnan(found["new"].high)
    assert found["usual"].high < 0


def test_fewer_days_leave_a_wider_interval() -> None:
    """The same rows as blocks of half a week say less than as blocks of days do."""
    rows = Rows("binary", rows=2000)
    frame = _frame(rows)
    single = _slices(AUC, rows, frame, rows.good, rows.worse)
    rows.days = rows.day // 4

    found = _slices(AUC, rows, frame, rows.good, rows.worse)

    widths = [np.mean([each.difference.high - each.difference.low for each in of]) for of in (single, found)]
    assert widths[1] > 1.3 * widths[0]


def test_without_a_champion_there_is_no_difference() -> None:
    """The first version is measured on its slices, and compared with nobody."""
    rows = Rows("binary")
    found = _slices(AUC, rows, _frame(rows), rows.good, None)

    assert [each.difference for each in found] == [None] * 4
    assert all(each.challenger > 0.5 and math.isnan(each.champion) for each in found)


def test_only_the_largest_of_too_many_slices_are_compared(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the limit the smallest slices are left out, and the log names their columns."""
    rows = Rows("binary", rows=1000)
    of_row = np.arange(1000)
    frame = pd.DataFrame({f"c{number}": (of_row + number) % 8 for number in range(6)})
    frame["half"] = np.where(of_row % 2 == 0, "even", "odd")
    frame["rare"] = np.where(of_row < 60, "few", "many")

    with caplog.at_level(logging.WARNING):
        found = _slices(AUC, rows, frame, rows.good, rows.worse, columns=list(frame), min_rows=50)

    assert len(found) == MOST_SLICES
    assert {"even", "odd", "many"} <= {each.value for each in found}
    assert "few" not in {each.value for each in found}
    assert "only the 50 largest of 52 slices are compared" in caplog.text
    assert "rare (1)" in caplog.text


def test_a_column_named_twice_is_measured_once() -> None:
    """The same slices again would only widen every interval."""
    rows = Rows("binary")

    assert len(_slices(AUC, rows, _frame(rows), rows.good, rows.worse, columns=["letter", "letter"])) == 4


def test_without_slices_nothing_is_measured() -> None:
    """No value of enough rows leaves an empty list."""
    rows = Rows("binary")

    assert _slices(AUC, rows, _frame(rows), rows.good, rows.worse, min_rows=701) == []


def test_it_survives_json() -> None:
    """A NaN is null in JSON and NaN again when it is read."""
    fields = {"column": "c", "value": "v", "rows": 3, "challenger": None, "champion": 0.5, "difference": None}

    read = TypeAdapter(SliceResult).validate_python(fields)

    assert math.isnan(read.challenger)
    assert read.champion == 0.5
