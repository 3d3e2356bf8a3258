"""Numbers are short enough to read, and no rounding turns some into none or into all."""

from __future__ import annotations

import pytest

from include.core.formatting import format_number, format_share


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "-"),
        (0.0, "0 %"),
        (0.0004, "< 0.1 %"),
        (0.25, "25 %"),
        (1 / 3, "33.3 %"),
        (0.9996, "> 99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_only_an_exact_share_is_0_or_100_percent(share: float | None, text: str) -> None:
    """A few nulls in many rows are not 0 %."""
    assert format_share(share) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        (7, "7"),
        (1234567, "1,234,567"),
        (1234.5, "1,234"),
        (0.123456, "0.1235"),
        (-2.5, "-2.5"),
        (0.000012345, "1.234e-05"),
    ],
)
def test_a_number_has_about_four_digits(number: float | None, text: str) -> None:
    """Missing and undefined numbers are a dash."""
    assert format_number(number) == text
