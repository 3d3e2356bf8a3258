"""The budget goes to the family from which an improvement is cheapest."""

from __future__ import annotations

import pytest

from include.training.allocation import Progress, next_family, trial_share


def progress(family: str, **changes: object) -> Progress:
    """Return the progress of a family that has had some trials."""
    fields: dict[str, object] = {
        "trials": 3,
        "seconds": 30.0,
        "best": 0.7,
        "best_at": 20.0,
        "previous_at": 10.0,
        "gained": 0.1,
    }
    return Progress(family, **fields | changes)  # type: ignore[arg-type]


def fresh(family: str) -> Progress:
    """Return the progress of a family that was not tried yet."""
    return Progress(family, 0, 0.0, None, 0.0, 0.0, 0.0)


def test_each_family_is_tried_once_first_in_the_order_given() -> None:
    """A leader does not keep a family from its first trial, and the cheap ones come first."""
    assert next_family([progress("linear"), fresh("lightgbm"), fresh("extra_trees")]) == "lightgbm"


def test_the_family_whose_last_improvement_was_quickest_is_next() -> None:
    """Of two that are as good, the one that has just improved gets the next trial."""
    stuck, improving = progress("stuck", seconds=60.0), progress("improving", seconds=21.0)

    assert next_family([stuck, improving]) == "improving"


def test_a_family_far_behind_waits_until_the_leader_is_stuck() -> None:
    """What it needs to catch up is held against what the leader needs to improve."""
    behind = progress("behind", best=0.6, seconds=22.0, gained=0.01)  # needs 2 * 0.1 * 12 / 0.01 = 240 s

    assert next_family([behind, progress("leader", seconds=200.0)]) == "leader"  # 180 s since its last improvement
    assert next_family([behind, progress("leader", seconds=300.0)]) == "behind"  # 280 s


def test_a_family_that_is_done_is_passed_over() -> None:
    """A family with all its trials, or one that failed, gets no more."""
    assert next_family([progress("done", done=True), progress("other", seconds=900.0)]) == "other"
    assert next_family([progress("done", done=True)]) is None


@pytest.mark.parametrize("failed", [0, 1], ids=["failed first", "failed second"])
def test_a_family_without_a_result_is_tried_again_when_it_is_cheap(failed: int) -> None:
    """A family whose only trial was stopped early is worth as much as twice what it took."""
    families = [progress("leader", seconds=25.0)]  # 10 s between its improvements
    families.insert(failed, Progress("stopped", 1, 2.0, None, 0.0, 0.0, 0.0))

    assert next_family(families) == "stopped"


def test_a_family_that_gained_nothing_is_not_infinitely_dear() -> None:
    """A first score no better than none is worth another trial sooner or later."""
    flat = progress("flat", best=0.5, gained=0.0, seconds=10.0, best_at=10.0, previous_at=0.0)

    assert next_family([flat, progress("leader", seconds=100.0)]) == "flat"


def test_a_trial_may_take_twice_what_the_longest_before_it_took() -> None:
    """The first has half of an equal share of the budget; a family that was dear before may be dearer."""
    assert trial_share(60, families=5, max_trial_seconds=0.0) == 6
    assert trial_share(60, families=5, max_trial_seconds=2.0) == 6
    assert trial_share(60, families=5, max_trial_seconds=5.0) == 10
