"""No sentence shows a missing value as None: each says that there is none."""

from __future__ import annotations

import re

import pytest

from include.gate.verdict import Verdict, decide
from include.registry.promotion import ChampionChange, Hold
from include.registry.register import _overtaken
from include.registry.verification import champion_note
from include.workflows.retrain.decisions import describe_change
from include.workflows.retrain.documents import RegistrationResult
from include.workflows.retrain.outcome import describe_outcome
from tests import factories
from tests.unit.gate.conftest import gate as gate
from tests.unit.workflows.retrain.test_decision_record import planned

HOLD = Hold("ada", "late flights are missed", "2026-12-01T06:00:00+00:00")
PROMOTE = Verdict("promote", "promote: better than the baseline", [])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, 1, "shop: version 1 is the champion; there was none before"),
        (None, None, "shop: there is still no champion"),
        (1, 1, "shop: the champion is still version 1"),
        (1, 2, "shop: the champion was version 1 and is version 2"),
        (2, None, "shop: the champion was version 2 and is none"),
    ],
)
def test_a_change_of_the_champion(before: int | None, after: int | None, told: str) -> None:
    """The first promotion said: the champion was version None."""
    assert describe_change(ChampionChange("shop", before, after, None)) == [told]
    assert len(describe_change(ChampionChange("shop", before, after, HOLD))) == 2


@pytest.mark.parametrize(
    ("champion", "expected", "told"),
    [
        (5, 3, "version 5 has become the champion since this run compared to version 3"),
        (5, None, "version 5 has become the champion since this run found no champion"),
        (None, 3, "version 3, which this run compared to, is no longer the champion, and no version is"),
    ],
)
def test_a_promotion_that_came_too_late(champion: int | None, expected: int | None, told: str) -> None:
    """Either of the two champions may not exist."""
    assert _overtaken(champion, expected) == told


@pytest.mark.parametrize(("version", "alias"), [(4, "champion"), (4, "challenger"), (4, None), (None, None)], ids=str)
@pytest.mark.parametrize("champion", [3, None])
def test_the_outcome_of_a_run(champion: int | None, version: int | None, alias: str | None) -> None:
    """A run may have no champion before it, no version, and no alias."""
    told = describe_outcome(planned(champion), PROMOTE, RegistrationResult(version=version, alias=alias))

    assert not re.search(r"\bNone\b", told)


def test_the_reason_of_a_verdict_without_a_champion(gate: object) -> None:
    """A first model that is kept out replaces nothing."""
    verdict = decide(factories.evidence(champion=None, challenger=factories.challenger(0.1)), gate)

    assert verdict.reason.startswith("keep (there is no champion yet): ")
    assert "None" not in verdict.reason


def test_a_record_that_differs_from_the_registry() -> None:
    """The record may name no champion, or MLflow may have none."""
    last = factories.record(4)
    told = [
        champion_note("shop", champion, [_with_champion(last, recorded)])
        for champion, recorded in ((None, 3), (3, None))
    ]

    assert all(each is not None and "no version" in each and "None" not in each for each in told)


def _with_champion(record: object, champion: int | None) -> object:
    from dataclasses import replace

    return replace(record, content=record.content | {"champion_after": champion})
