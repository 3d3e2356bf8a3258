"""The newest decisions: who is the champion since when, and what the last run decided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from include.core.errors import LakeError
from include.lake.run_files import records_folder
from include.registry.records import latest
from include.registry.records.chain import append
from include.registry.records.latest import LatestDecisions, RecordedMetric, latest_decisions

if TYPE_CHECKING:
    from include.registry.records.record import Kind

FIRST = datetime(2024, 3, 1, 2, tzinfo=UTC)


def night(number: int) -> datetime:
    """Return when the record of a night was written."""
    return FIRST + timedelta(days=number)


def decide(number: int, kind: Kind = "retrain", **content: Any) -> None:
    """Record a decision of a night."""
    append("shop", kind, f"{kind} {number}", by="shop.retrain", content=content, now=night(number))


def retrain(number: int, before: int | None, after: int | None, version: int | None = None, **more: Any) -> None:
    """Record a run that registered `version`, by default the champion afterwards."""
    version = after if version is None else version
    decide(
        number,
        as_of=f"2024-03-{number:02}",
        verdict="promote" if before != after else "keep",
        reason="why",
        challenger_version=version,
        champion_before=before,
        champion_after=after,
        metric={"name": "mae", "value": float(version or 0), "low": 0.5, "high": 9.5},
        **more,
    )


def test_without_a_record_nothing_is_known() -> None:
    """A pipeline that has never run has no champion and no verdict."""
    assert latest_decisions("shop") == LatestDecisions()


def test_the_champion_is_known_since_its_own_promotion() -> None:
    """Nights that keep the champion change neither its day nor its metric."""
    retrain(1, None, 1)
    retrain(2, 1, 2)
    retrain(3, 2, 2, version=3)

    found = latest_decisions("shop")

    assert (found.champion, found.since) == (2, night(2))
    assert found.metric == RecordedMetric("mae", 2.0, 0.5, 9.5)
    assert found.verdict is not None
    assert (found.verdict.verdict, found.verdict.version, found.verdict.promoted) == ("keep", 3, False)


def test_a_new_record_is_seen() -> None:
    """What the process remembers of a chain ends with the next record."""
    retrain(1, None, 1)
    assert latest_decisions("shop").champion == 1

    retrain(2, 1, 2)

    assert latest_decisions("shop").champion == 2


def test_after_a_rollback_the_earlier_version_is_the_champion_since_the_rollback() -> None:
    """Its metric is that of the run that trained it, and the last verdict is that of the last run."""
    retrain(1, None, 1)
    retrain(2, 1, 2)
    decide(3, "rollback", champion_before=2, champion_after=1, reason="complaints")
    decide(4, "hold", champion_before=1, champion_after=1, reason="wait")

    found = latest_decisions("shop")

    assert (found.champion, found.since) == (1, night(3))
    assert found.metric is not None
    assert found.metric.value == 1.0
    assert found.verdict is not None
    assert (found.verdict.as_of, found.verdict.promoted) == ("2024-03-02", True)


def test_a_dry_run_says_nothing_about_the_champion() -> None:
    """It records the champion that it was planned with, which another run may have replaced."""
    retrain(1, None, 1)
    retrain(2, 1, 2)
    decide(3, as_of="2024-03-03", verdict="promote", dry_run=True, champion_before=1, champion_after=1)

    found = latest_decisions("shop")

    assert found.champion == 2
    assert found.verdict is not None
    assert found.verdict.dry_run


def test_a_champion_of_old_is_older_than_the_oldest_record_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain is not read to its beginning: the page says `before`."""
    monkeypatch.setattr(latest, "MOST_RECORDS", 2)
    retrain(1, None, 1)
    for number in (2, 3, 4):
        retrain(number, 1, 1, version=number)

    found = latest_decisions("shop")

    assert (found.champion, found.since, found.oldest, found.metric) == (1, None, night(3), None)


def test_a_run_without_a_champion_is_a_verdict() -> None:
    """The first versions may all be refused."""
    retrain(1, None, None, version=1)

    found = latest_decisions("shop")

    assert (found.champion, found.since, found.metric) == (None, None, None)
    assert found.verdict is not None
    assert not found.verdict.promoted


def test_a_record_that_cannot_be_read_is_named() -> None:
    """Who is the champion is not guessed from the records before it."""
    retrain(1, None, 1)
    (records_folder("shop") / "00000002.json").write_bytes(b'{"broken')

    with pytest.raises(LakeError, match=r"00000002\.json is not a record"):
        latest_decisions("shop")
