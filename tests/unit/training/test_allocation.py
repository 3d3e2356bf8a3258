"""The budget goes to the family with the cheapest expected improvement."""

from __future__ import annotations

import pytest

from include.training.allocation import Progress, next_family, trial_share


def progress(family: str, **changes: object) -> Progress:
    """Return the progress of a family after some trials."""
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
    """Return the progress of a family before its first trial."""
    return Progress(family, 0, 0.0, None, 0.0, 0.0, 0.0)


def test_each_family_is_tried_once_first_in_the_order_given() -> None:
    """Every family gets its first trial before the leader continues, cheap families first."""
    assert next_family([progress("linear"), fresh("lightgbm"), fresh("extra_trees")]) == "lightgbm"


def test_the_family_whose_last_improvement_was_quickest_is_next() -> None:
    """Of two equally good families, the one that has just improved gets the next trial."""
    stuck, improving = progress("stuck", seconds=60.0), progress("improving", seconds=21.0)

    assert next_family([stuck, improving]) == "improving"


def test_a_family_far_behind_waits_until_the_leader_is_stuck() -> None:
    """Its cost of catching up is compared with the leader's cost of an improvement."""
    behind = progress("behind", best=0.6, seconds=22.0, gained=0.01)  # needs 2 * 0.1 * 12 / 0.01 = 240 s

    assert next_family([behind, progress("leader", seconds=200.0)]) == "leader"  # 180 s since its last improvement
    assert next_family([behind, progress("leader", seconds=300.0)]) == "behind"  # 280 s


def test_a_family_that_is_done_is_skipped() -> None:
    """A family that used up its trials, or failed, gets no further trial."""
    assert next_family([progress("done", done=True), progress("other", seconds=900.0)]) == "other"
    assert next_family([progress("done", done=True)]) is None


@pytest.mark.parametrize("failed", [0, 1], ids=["failed first", "failed second"])
def test_a_family_without_a_result_is_tried_again_when_it_is_cheap(failed: int) -> None:
    """A family whose only trial was stopped early costs twice the seconds of that trial."""
    families = [progress("leader", seconds=25.0)]  # 10 s between its improvements
    families.insert(failed, Progress("stopped", 1, 2.0, None, 0.0, 0.0, 0.0))

    assert next_family(families) == "stopped"


def test_a_family_without_a_gain_has_a_finite_cost() -> None:
    """A family whose first score is no better than a constant gets another trial sooner or later."""
    flat = progress("flat", best=0.5, gained=0.0, seconds=10.0, best_at=10.0, previous_at=0.0)

    assert next_family([flat, progress("leader", seconds=100.0)]) == "flat"


def test_a_trial_may_take_twice_as_long_as_the_longest_before() -> None:
    """The first trial gets half of an equal share of the budget; an expensive family may spend more later."""
    assert trial_share(60, families=5, max_trial_seconds=0.0) == 6
    assert trial_share(60, families=5, max_trial_seconds=2.0) == 6
    assert trial_share(60, families=5, max_trial_seconds=5.0) == 10
