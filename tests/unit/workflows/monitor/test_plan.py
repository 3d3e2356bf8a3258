"""The days that a run of the monitor looks at."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from include import lake
from include.config.loader import load_pipeline
from include.registry.champion import Champion
from include.workflows.monitor import plan as plan_module
from include.workflows.monitor.plan import Window, plan_monitoring

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


@pytest.mark.parametrize(
    ("announced", "day"),
    [(None, 18), (date(2024, 3, 20), 20), (date(2024, 1, 2), 18)],
    ids=["nothing", "a day without rows", "a day of long ago"],
)
def test_the_newest_day_that_was_published_is_looked_at(
    shop: Any, monkeypatch: pytest.MonkeyPatch, announced: date | None, day: int
) -> None:
    """A day that was published without a row is seen, and one of long ago is not looked at again."""
    champion = Champion(3, "night", "linear", "0" * 64, "models:/m-1", "2024-03-01", "2023-03-01", "2024-02-01")
    monkeypatch.setattr(lake, "latest_version", lambda uri: 4)
    monkeypatch.setattr(lake, "days_with_rows", lambda uri, version: ["2024-03-17", "2024-03-18"])
    monkeypatch.setattr(plan_module, "pin_day", lambda pipeline, as_of, **told: (as_of, {"sales": 3}))
    monkeypatch.setattr(plan_module, "find_recorded_champion", lambda name: champion)

    assert plan_monitoring(load_pipeline("shop"), "night", announced=announced).as_of == date(2024, 3, day)
