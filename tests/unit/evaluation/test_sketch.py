"""A sketch detects drift as the rows themselves would, without holding any of them."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from include.evaluation.quantile_bins import quantile_stability_index
from include.evaluation.reference import Reference
from include.evaluation.sketch import MOST_FREQUENT, Sketch, compare_to_reference, sketch

ROWS, LIMIT = 4000, 0.25


def numbers(seed: int = 1, mean: float = 0.0, rows: int = ROWS) -> pd.Series:
    """Return values of a normal distribution."""
    return pd.Series(np.random.default_rng(seed).normal(mean, 1, rows))


def stores(seed: int = 1, north: float = 0.5, rows: int = ROWS) -> pd.Series:
    """Return names, one of them in a share of the rows."""
    others = (1 - north) / 2
    return pd.Series(np.random.default_rng(seed).choice(["north", "south", "east"], rows, p=[north, others, others]))


def of_one_window(column: pd.Series) -> Sketch:
    """Return the sketch of a column that is one window."""
    return sketch(column, np.zeros(len(column), dtype="int64"), min_rows=1)


def test_the_index_against_a_sketch_is_that_against_its_rows() -> None:
    """There is one formula, whether the reference is there or only counts of it; JSON loses nothing of them."""
    reference, later = numbers(), numbers(2, mean=0.3)
    kept = Reference({"visitors": of_one_window(reference)}, {}, 7)

    again = Reference.from_json(json.loads(json.dumps(kept.to_json(), allow_nan=False)))

    assert again == kept
    found = compare_to_reference(later, again.features["visitors"])
    assert found.index == quantile_stability_index(later.to_numpy(), reference.to_numpy())
    assert found.rows == ROWS


def test_drift_of_numbers_is_beyond_the_limit_and_another_sample_is_not() -> None:
    """A column that moved by one standard deviation drifts, and one that moved by chance does not."""
    kept = of_one_window(numbers())

    assert compare_to_reference(numbers(2, mean=1, rows=300), kept).index > LIMIT
    assert compare_to_reference(numbers(2, rows=300), kept).index < LIMIT / 2
    assert compare_to_reference(numbers(2, mean=1), kept).moved == "the median is 0.9984 and was -0.01422"


def test_drift_of_text_is_beyond_the_limit_and_another_sample_is_not() -> None:
    """The value whose share has changed most is named."""
    kept = of_one_window(stores())
    moved = compare_to_reference(stores(2, north=0.1, rows=300), kept)

    assert moved.index > LIMIT
    assert moved.moved.startswith("the share of 'north' is ")
    assert compare_to_reference(stores(2, rows=300), kept).index < LIMIT / 2


def test_a_value_that_was_never_there_is_with_the_rare_ones() -> None:
    """A new value is drift, however many values are kept."""
    names = pd.Series([f"store {number:02}" for number in range(MOST_FREQUENT + 5)] * 40)
    kept = of_one_window(names)

    assert len(kept.counts) == MOST_FREQUENT + 1
    assert kept.counts[-1] == 5 * 40
    found = compare_to_reference(pd.Series(["moon"] * 500), kept)
    assert found.index > LIMIT
    assert found.moved.startswith("the share of all rarer values together is 100.0%")


def test_a_sketch_does_not_depend_on_the_order_of_rows() -> None:
    """Ties among the frequent values are broken by their names."""
    names = pd.Series(["b", "a", "c"] * 50)

    assert of_one_window(names) == of_one_window(names[::-1])


def test_the_last_bits_of_a_number_are_no_drift() -> None:
    """A value that many rows share has a bin of its own, which another order of a sum must not lead out of."""
    tenths = pd.Series([0.1] * 200 + [0.9] * 200 + [1e300, -3.0])

    found = compare_to_reference(1 - (1 - tenths), of_one_window(tenths))

    assert (1 - (1 - tenths) != tenths).sum() >= 200
    assert found.index == 0


def test_a_season_raises_the_reference_variability() -> None:
    """A week in which all is otherwise than over the year was there before, and the sketch remembers how far."""
    week = np.repeat(np.arange(10), 300)
    seasonal = numbers(3, rows=3000) / 10 + week
    steady = numbers(3, rows=3000)

    assert sketch(seasonal, week, 200).usual_shift > 1
    assert sketch(steady, week, 200).usual_shift < LIMIT / 2
    assert sketch(seasonal, week, 301).usual_shift == 0  # no week has so many rows


def test_nulls_are_counted_apart_and_their_usual_share_is_that_of_the_worst_days() -> None:
    """They are in no bin, and neither is an infinite prediction."""
    column = pd.Series([1.0] * 90 + [None] * 10 + [2.0] * 50 + [None] * 50)
    kept = sketch(column, np.repeat([0, 1], 100), min_rows=100)

    assert (kept.rows, kept.nulls, kept.null_share) == (140, 60, 0.3)
    assert kept.usual_nulls == pytest.approx(0.5)
    assert compare_to_reference(pd.Series([math.inf, math.nan, 1.0]), kept).rows == 1


@pytest.mark.parametrize("empty", [pd.Series([None, None], dtype="float64"), pd.Series([None, None], dtype="object")])
def test_a_column_without_a_value_has_no_index(empty: pd.Series) -> None:
    """Comparing no values with no values gives NaN, without an error."""
    kept = of_one_window(empty)

    assert math.isnan(compare_to_reference(empty, kept).index)
    assert (kept.rows, kept.nulls) == (0, 2)


def test_a_sketch_counts_each_month_and_leaves_a_window_out_of_its_own() -> None:
    """Windows that differ within a month are far from the rest of it, and a part of a year has no season."""
    column, month = pd.Series([1.0] * 300 + [2.0] * 300 + [1.0] * 600), np.repeat([6, 6, 7, 7], 300)
    kept = sketch(column, np.repeat([3, 2, 1, 0], 300), min_rows=200, month=month)

    assert {each: sum(counts) for each, counts in kept.by_month.items()} == {6: 600, 7: 600}
    assert kept.seasonal_shift > 5
    assert kept.seasonal_shift > kept.usual_shift
    assert kept.of_months({6}, 1) is None
    whole = Sketch(kept.bins, kept.counts, 0, None, 0.0, 0.0, {each: [each, 1] for each in range(1, 13)})
    assert whole.of_months({12, 1}, 1) == [13, 2]
    assert whole.of_months({12, 1}, 3) is None
    assert whole.of_months(set(), 1) is None


def test_counts_by_month_survive_json_and_an_earlier_release_has_none() -> None:
    """JSON makes texts of the months; a reference without them is compared as a whole."""
    kept = sketch(numbers(), np.zeros(ROWS, dtype="int64"), min_rows=1, month=np.arange(ROWS) % 12 + 1)
    reference = Reference({"visitors": kept}, {}, 7)
    fields = json.loads(json.dumps(reference.to_json()))

    assert Reference.from_json(fields) == reference
    for name in ("by_month", "seasonal_shift"):
        del fields["features"]["visitors"][name]
    earlier = Reference.from_json(fields).features["visitors"]
    assert (earlier.of_months({1}, 1), earlier.counts) == (None, kept.counts)
