"""The stability index follows the formula, its bins are those of the history, and noise is not taken for a change."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from include.validation.population import Sample, population_shift


def texts(**counts: int) -> Sample:
    """Return a day of categories."""
    return Sample(list(counts), np.array(list(counts.values()), dtype=float), sum(counts.values()))


def numbers(values: np.ndarray | list[float]) -> Sample:
    """Return a day of numbers, one row each."""
    return Sample(np.asarray(values, dtype=float), np.ones(len(values)), len(values))


def test_the_index_is_that_of_the_formula() -> None:
    """Worked out by hand, with half a row in an empty bin."""
    shift = population_shift(texts(a=50, b=50), [texts(a=80, b=20)] * 2, is_number=False)

    rest = (0.5 / 100 - 0.5 / 200) * log((0.5 / 100) / (0.5 / 200))
    assert shift.psi == pytest.approx(-0.3 * log(0.5 / 0.8) + 0.3 * log(0.5 / 0.2) + rest)
    assert (shift.where, shift.share, shift.before) == ("the value 'b'", 0.5, pytest.approx(0.2))


def test_beyond_the_nine_most_frequent_values_the_rest_is_one_bin() -> None:
    """Otherwise a column of many rare values would change every day."""
    many = texts(**{f"v{number}": 100 if number < 9 else 1 for number in range(30)})

    shift = population_shift(texts(v20=500, w=500), [many] * 7, is_number=False)

    assert (shift.where, shift.share) == ("other values", 1.0)


def test_days_like_each_other_stay_within_noise() -> None:
    """The larger the day, the less noise."""
    draw = np.random.default_rng(11)
    past = [numbers(draw.normal(0, 1, 500)) for _ in range(28)]

    small = [population_shift(numbers(draw.normal(0, 1, 30)), past, is_number=True) for _ in range(100)]
    large = population_shift(numbers(draw.normal(0, 1, 5000)), past, is_number=True)

    assert sum(shift.psi > shift.noise for shift in small) <= 5
    assert large.psi < large.noise < small[0].noise / 5


def test_a_rhythm_of_the_history_is_usual() -> None:
    """A Saturday has its index from the Saturdays before it."""
    draw = np.random.default_rng(11)
    past = [numbers(draw.normal(2 * (number % 7 == 5), 1, 500)) for number in range(28)]

    saturday = population_shift(numbers(draw.normal(2, 1, 500)), past, is_number=True)

    assert saturday.psi > 10 * saturday.noise
    assert saturday.psi == pytest.approx(saturday.usual, rel=0.3)


@pytest.mark.parametrize(("value", "where"), [(0, "the value 0"), (7.5, "the value 7.5")])
def test_a_value_that_is_most_of_the_rows_has_a_bin_of_its_own(value: float, where: str) -> None:
    """If it disappears, its neighbours in the same bin would hide that."""
    most = numbers([value] * 80 + [value + number for number in range(1, 21)])

    shift = population_shift(numbers([value - 0.1] * 100), [most] * 7, is_number=True)

    assert shift.psi > 1
    assert shift.where in (where, f"values below {value:g}")


def test_a_constant_column_notices_any_other_value() -> None:
    """All bins but one are empty, and there is no range to be far from."""
    shift = population_shift(numbers([3.0, 4.0]), [numbers([3.0] * 50)] * 7, is_number=True)

    assert (shift.where, shift.share, shift.before) == ("values above 3, farther off than any before", 0.5, 0.0)


def test_one_day_of_history_has_no_usual_index() -> None:
    """A snapshot may have a single one before it."""
    assert population_shift(numbers([1.0, 2.0]), [numbers([1.0, 2.0])], is_number=True).usual == 0
