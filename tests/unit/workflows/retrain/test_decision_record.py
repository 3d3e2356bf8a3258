"""A run's record says which version was champion before and after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from include.registry.champion import Champion
from include.workflows.retrain.decision_record import champions_of
from include.workflows.retrain.documents import RegistrationResult
from tests.unit.workflows.retrain.test_files import plan

if TYPE_CHECKING:
    from include.workflows.retrain.plan import RunPlan


def planned(version: int | None) -> RunPlan:
    """Return the plan of a run that compares to a version."""
    days = (date(2024, 3, 19), date(2023, 3, 1), date(2024, 1, 30))
    champion = version and Champion(version, "night-1", "linear", "0" * 64, "models:/m-1", *days)
    return replace(plan(), champion=champion or None)


@pytest.mark.parametrize(
    ("registration", "champions"),
    [
        ({"alias": "champion", "version": 4, "champion": 4}, (3, 4)),
        ({"alias": "challenger", "version": 4, "champion": 3}, (3, 3)),
        ({"alias": None, "version": None}, (3, 3)),
    ],
    ids=["promoted", "kept", "a dry run, and a run of an older release"],
)
def test_the_champion_before_and_after_a_run(
    registration: dict[str, Any], champions: tuple[int | None, int | None]
) -> None:
    """Only a promotion changes the champion; a run that registered nothing leaves the one it compared to."""
    plan = planned(3)

    assert champions_of(plan, RegistrationResult.read(registration, plan)) == champions


def test_a_run_that_lost_to_another_names_its_champion() -> None:
    """The run was planned with version 3, and version 5 was promoted meanwhile: the record has no 3->3, and no 3->5."""
    lost = RegistrationResult(version=6, alias="challenger", champion=5)

    assert champions_of(planned(3), lost) == (5, 5)
    assert champions_of(planned(None), lost) == (5, 5)
