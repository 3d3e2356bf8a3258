"""The log of a search has a line for each of the first trials, and a bounded number afterwards."""

from __future__ import annotations

import logging
import math
from typing import Literal

import pytest

from include.training import trial_log
from include.training.trial_log import FIRST_TRIALS, QUIET_SECONDS, TrialLog
from include.training.tuning_result import TrialResult


class Clock:
    """A clock that the test moves."""

    now = 500.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock of the test's own in the place of time."""
    made = Clock()
    monkeypatch.setattr(trial_log, "time", made)
    return made


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Let the log keep its lines."""
    caplog.set_level(logging.INFO)
    return caplog


def _trial(
    number: int, score: float | None = None, error: str | None = None, state: Literal["complete", "pruned"] = "complete"
) -> TrialResult:
    return TrialResult(number, {}, state, score, [], 1.0, 0, error)


def test_a_line_has_family_score_best_and_time(clock: Clock, lines: pytest.LogCaptureFixture) -> None:
    """Trials that have no score say why, and the best of all families stands beside."""
    log = TrialLog("shop", "mae")
    log.begin(["lightgbm", "linear"], 60)
    log.trial(_trial(0, error="ValueError: no"), "linear", None, 58.4)
    log.trial(_trial(0, 4.82), "lightgbm", ("lightgbm", 4.82), 51.6)
    log.trial(_trial(1, 9.6), "linear", ("lightgbm", 4.82), 50)
    log.trial(_trial(2, state="pruned"), "linear", ("lightgbm", 4.82), -3)
    log.trial(_trial(3, 4.9), "linear", ("lightgbm", 4.82), math.inf)
    log.end()

    assert lines.messages == [
        "shop: the search of 2 candidates begins, 60 s left: lightgbm, linear",
        "shop: trial 0 of linear: ValueError: no; no result so far; 58 s left after 1 trials",
        "shop: trial 0 of lightgbm: mae 4.82000; the best so far; 52 s left after 2 trials",
        "shop: trial 1 of linear: mae 9.60000; best so far lightgbm 4.82000; 50 s left after 3 trials",
        "shop: trial 2 of linear: stopped early, behind other trials; best so far lightgbm 4.82000; 0 s left after 4 "
        "trials",
        "shop: trial 3 of linear: mae 4.90000; best so far lightgbm 4.82000; no time limit after 5 trials",
        "shop: the search of this task has ended after 5 trials",
    ]


def test_many_trials_have_few_lines(clock: Clock, lines: pytest.LogCaptureFixture) -> None:
    """After the first trials, only an improvement has a line, and one trial in ten seconds."""
    log = TrialLog("shop", "mae")
    for number in range(FIRST_TRIALS + 500):
        log.trial(_trial(number, 5.0), "linear", ("lightgbm", 4.0), 60)
    assert len(lines.messages) == FIRST_TRIALS

    log.trial(_trial(520, 3.9), "linear", ("linear", 3.9), 60)
    assert "trial 520 of linear: mae 3.90000; the best so far" in lines.messages[-1]

    clock.now += QUIET_SECONDS
    log.trial(_trial(521, 5.0), "linear", ("linear", 3.9), 50)
    log.trial(_trial(522, 5.0), "linear", ("linear", 3.9), 50)
    assert len(lines.messages) == FIRST_TRIALS + 2
    assert "after 522 trials" in lines.messages[-1]
