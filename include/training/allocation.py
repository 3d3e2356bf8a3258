"""Which family of models is tried next, so that a budget of seconds is shared by what it brings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Progress:
    """How far the search of one family has come.

    Attributes
    ----------
    trials
        Trials that were begun, those that other tasks are running among them.
    seconds
        What they took.
    best
        The best score, as a number of which more is better; None before any trial was completed.
    best_at, previous_at
        The seconds of the family after which the best score was found, and the one before it (0 for none).
    gained
        By how much the best score is better than the one before it, or than a model without features.
    max_trial_seconds
        The seconds of the longest trial that was completed.
    done
        Whether the family may have no more trials.
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
    """Return the family of the next trial, or None where all are done.

    Each family has one trial first, in the order given, which is from the cheap to the dear. Then comes the one
    with the least estimated cost of an improvement: the seconds since its last one, or between its last two,
    whichever is more; and for a family that lies behind the leader, at least the seconds that it needs to catch
    up at the speed of its last improvement, twice over (Wang, Wu, Weimer and Zhu, FLAML, MLSys 2021, section 4.2).
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
    """Return the seconds that one trial may take, by which a family that grows round by round is stopped.

    The first one takes no more than half of what the family would have of an equal share of the budget; each
    later one may take twice what the longest before it took, so that a family earns its dear parameters.
    """
    return max(seconds / (2 * families), 2 * max_trial_seconds)


def _cost_of_improvement(progress: Progress, leader: float | None) -> float:
    """Return the seconds that an improvement of the family, or of the leader by it, is estimated to take."""
    if progress.best is None or leader is None:
        return 2 * progress.seconds  # nothing came of it yet
    cost = max(progress.seconds - progress.best_at, progress.best_at - progress.previous_at)
    behind = leader - progress.best
    if behind > 0:
        if progress.gained <= 0:
            return max(cost, 2 * progress.seconds)
        cost = max(cost, 2 * behind * (progress.seconds - progress.previous_at) / progress.gained)
    return cost
