"""The days of a monitoring run."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import Any

import pytest

from include import lake
from include.config.loader import load_pipeline
from include.registry.champion import Champion
from include.workflows.monitor import plan as plan_module
from include.workflows.monitor.plan import Window, plan_monitoring

AS_OF = date(2024, 3, 20)
CHAMPION = Champion(3, "night", "linear", "0" * 64, "models:/m-1", date(2024, 3, 1), date(2023, 3, 1), date(2024, 2, 1))


def test_the_window_of_labels_ends_where_labels_are_known() -> None:
    """Where labels come a day later, at most part of the day's own labels are known."""
    window = Window.of(AS_OF, window_days=7, gap_days=1)

    assert (window.first, window.last) == (date(2024, 3, 14), AS_OF)
    assert (window.first_known, window.last_known) == (date(2024, 3, 13), date(2024, 3, 19))
    assert window.since == date(2024, 3, 13)
    assert window.first_predicted == date(2024, 3, 12)  # a row of 13 March, 00:00, was predicted as of the day before


@pytest.mark.parametrize("gap_days", [0, 1, 28])
@pytest.mark.parametrize("window_days", [1, 7])
def test_rows_and_labels_have_windows_of_the_same_length(window_days: int, gap_days: int) -> None:
    """However late labels come, their window has all its days."""
    window = Window.of(AS_OF, window_days, gap_days)

    assert window.last - window.first == window.last_known - window.first_known == timedelta(days=window_days - 1)
    assert window.since <= min(window.first, window.first_known)


@pytest.mark.parametrize(
    ("announced", "day"),
    [(None, 18), (date(2024, 3, 20), 20), (date(2024, 1, 2), 18)],
    ids=["nothing", "a day without rows", "a day of long ago"],
)
def test_the_newest_published_day_is_the_default(
    shop: Any, monkeypatch: pytest.MonkeyPatch, announced: date | None, day: int
) -> None:
    """A day that was published without rows counts; an old day that is announced again does not."""
    monkeypatch.setattr(lake, "latest_version", lambda uri: 4)
    monkeypatch.setattr(lake, "days_with_rows", lambda uri, version: ["2024-03-17", "2024-03-18"])
    monkeypatch.setattr(plan_module, "pin_day", lambda pipeline, as_of, **told: (as_of, {"sales": 3}))
    monkeypatch.setattr(plan_module, "find_recorded_champion", lambda name: CHAMPION)

    assert plan_monitoring(load_pipeline("shop"), "night", announced=announced).as_of == date(2024, 3, day)


def test_a_plan_before_the_first_prediction_says_so(
    shop: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The line said: predictions version None."""
    monkeypatch.setattr(lake, "latest_version", lambda uri: None)
    monkeypatch.setattr(plan_module, "pin_day", lambda pipeline, as_of, **told: (AS_OF, {"sales": 3}))
    monkeypatch.setattr(plan_module, "find_recorded_champion", lambda name: CHAMPION)

    with caplog.at_level(logging.INFO):
        plan_monitoring(load_pipeline("shop"), "night")

    assert "shop: planned as of 2024-03-20, champion version 3, no predictions yet, table versions" in caplog.text
