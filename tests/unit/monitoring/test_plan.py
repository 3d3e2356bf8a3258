"""The days that a run of the monitor looks at."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from include.monitoring.plan import Window

AS_OF = date(2024, 3, 20)


def test_a_week_ends_with_the_day_and_labels_are_looked_at_until_they_are_known() -> None:
    """Of labels that come a day later, those of the day itself are known in part at most."""
    window = Window.of(AS_OF, window_days=7, gap_days=1)

    assert (window.first, window.last) == (date(2024, 3, 14), AS_OF)
    assert (window.first_known, window.last_known) == (date(2024, 3, 13), date(2024, 3, 19))
    assert window.since == date(2024, 3, 13)
    assert window.first_predicted == date(2024, 3, 12)  # a row of 13 March, 00:00, was predicted as of the day before


@pytest.mark.parametrize("gap_days", [0, 1, 28])
@pytest.mark.parametrize("window_days", [1, 7])
def test_as_many_days_are_looked_at_of_both(window_days: int, gap_days: int) -> None:
    """However late labels come, those of a whole window are waited for."""
    window = Window.of(AS_OF, window_days, gap_days)

    assert window.last - window.first == window.last_known - window.first_known == timedelta(days=window_days - 1)
    assert window.since <= min(window.first, window.first_known)
