"""Which family gets the next trial, so that the time budget goes where it improves most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Progress:
    """The progress of one family's search.

    Attributes
    ----------
    trials
        Number of trials begun, including those running in other tasks.
    seconds
        Seconds of work of these trials.
    best
        Best score, signed so that higher is better; None before a trial was completed.
    best_at, previous_at
        Seconds of the family after which the best score and the previous best score were found; 0 if there is none.
    gained
        Improvement of the best score over the previous one, or over a model without features.
    max_trial_seconds
        Seconds of the longest completed trial.
    done
        Whether the family gets no further trial.
    """

    family: str
    trials: int
    seconds: float
    best: float | None
    best_at: float
    previous_at: float
    gained: float
    max_trial_seconds: float = 0.0
    done: bool = False


def next_family(progress: Sequence[Progress]) -> str | None:
    """Return the family of the next trial, or None if all are done.

    Each family gets one trial first, in the given order, from cheap to expensive. Then the family with the lowest
    estimated cost of an improvement is next: the seconds since its last improvement or between its last two, whichever
    is more. For a family behind the leader the cost is at least twice the seconds it needs to catch up at the speed of
    its last improvement (Wang, Wu, Weimer and Zhu, FLAML, MLSys 2021, section 4.2).
    """
    waiting = [each for each in progress if not each.done]
    for each in waiting:
        if not each.trials:
            return each.family
    leader = max((each.best for each in progress if each.best is not None), default=None)
    cheapest, chosen = math.inf, None
    for each in waiting:
        cost = _cost_of_improvement(each, leader)
        if chosen is None or cost < cheapest:
            cheapest, chosen = cost, each.family
    return chosen


def trial_share(seconds: float, families: int, max_trial_seconds: float) -> float:
    """Return the seconds that one trial may take before boosting is stopped.

    The first trial may take half of the family's equal share of the budget. Each later one may take twice as long as
    the longest trial so far, so that a family earns its expensive parameters.
    """
    return max(seconds / (2 * families), 2 * max_trial_seconds)


def _cost_of_improvement(progress: Progress, leader: float | None) -> float:
    """Return the estimated seconds until the family improves on its best score, and on the leader's."""
    if progress.best is None or leader is None:
        return 2 * progress.seconds  # no completed trial yet
    cost = max(progress.seconds - progress.best_at, progress.best_at - progress.previous_at)
    behind = leader - progress.best
    if behind > 0:
        if progress.gained <= 0:
            return max(cost, 2 * progress.seconds)
        cost = max(cost, 2 * behind * (progress.seconds - progress.previous_at) / progress.gained)
    return cost
