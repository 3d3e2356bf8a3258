"""Each interval is that of its formula, and holds as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, t

from include.evaluation.intervals import (
    basic_interval,
    independent_difference_margin,
    percentile_interval,
    simultaneous_half_width,
    student_interval,
    widen_for_few_blocks,
)


def test_a_percentile_interval_is_of_the_resamples_that_are_defined() -> None:
    """A few resamples without a value are left out; with many of them there is no interval."""
    values = np.append(np.arange(101.0), [math.nan] * 5)

    assert percentile_interval(values, 0.9) == pytest.approx((5, 95))
    assert np.isnan(percentile_interval(np.append(values, [math.nan] * 10), 0.9)).all()


def test_a_basic_interval_takes_the_bias_of_the_resamples_off() -> None:
    """Resamples that are 1 too high on average, from 4 to 8, leave 2 to 6 around a value of 5."""
    assert basic_interval(5.0, np.linspace(4, 8, 101), 1.0) == pytest.approx((2, 6))


def test_an_interval_of_few_blocks_is_as_much_wider_as_t_is() -> None:
    """Each end is moved away from the value by the same factor, which is near 1 for many blocks."""
    by = t.isf(0.025, 9) / norm.isf(0.025) * math.sqrt(10 / 9)

    assert widen_for_few_blocks(1.0, (0.0, 3.0), 10, 0.95) == pytest.approx((1 - by, 1 + 2 * by))
    assert widen_for_few_blocks(1.0, (0.0, 3.0), 10_000, 0.95) == pytest.approx((0, 3), abs=1e-2)
    assert np.isnan(widen_for_few_blocks(1.0, (0.0, 3.0), 1, 0.95)).all()


def test_a_simultaneous_interval_is_wider_than_that_of_one_pair() -> None:
    """Among more groups the largest gap is larger by chance, so its interval is wider."""
    draw = np.random.default_rng(7)
    means = np.zeros(8)
    resampled = draw.normal(size=(4000, 8))

    two, eight = (simultaneous_half_width(means[:n], resampled[:, :n], 1000, 0.95) for n in (2, 8))

    assert two == pytest.approx(1.96 * math.sqrt(2), rel=0.05)
    assert eight > 1.3 * two


def test_the_margin_adds_what_reaches_towards_the_other_as_squares() -> None:
    """An exact reference leaves the reach of the value alone."""
    assert independent_difference_margin(1.0, 0.6, (0.5, 0.64), 0.8, (0.77, 0.9)) == pytest.approx(0.05)
    assert independent_difference_margin(-1.0, 6.0, (5.6, 9.0), 5.0, ()) == pytest.approx(0.4)


def test_a_student_interval_is_that_of_the_formula() -> None:
    """Three values of mean 2 and standard deviation 1."""
    reach = t.ppf(0.975, 2) / math.sqrt(3)

    assert student_interval([1.0, 2.0, 3.0], 0.95) == pytest.approx((2 - reach, 2 + reach))
