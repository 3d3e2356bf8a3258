"""Where a run keeps what its steps leave for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include import settings
from include.retraining.plan import RunPlan
from include.retraining.steps import files

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def plan(run_key: str = "manual__2024-03-20T00:00:00") -> RunPlan:
    """Return a run's plan."""
    return RunPlan(
        pipeline="shop",
        run_key=run_key,
        as_of="2024-03-20",
        snapshot={"sales": 3},
        champion=None,
        tuning_seconds=60,
        dry_run=False,
        seed=7,
        code_version="unknown",
        lock="unknown",
        created_at="2024-03-20T00:00:00+00:00",
    )


def test_the_trials_lie_in_the_runs_folder(home: Path) -> None:
    """Tasks on machines that share the lake's folder share the search."""
    path = files.journal_file(plan(), "a1b2")

    assert path == home / "lake" / "shop" / "runs" / path.parent.name / "tuning-a1b2.journal"
    assert str(path.parent) == files.folder(plan()).path


def test_the_trials_of_a_lake_on_an_object_store_lie_in_the_home_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal is appended to, which an object store cannot; one run's is never another's."""
    monkeypatch.setenv("LAKE_URI", "s3://bucket/lake")

    path = files.journal_file(plan(), "a1b2")

    assert path.parent == home / "tuning" / "shop"
    assert path.name.endswith("-a1b2.journal")
    assert settings.lake_uri() == "s3://bucket/lake"
    assert path not in {
        files.journal_file(plan("manual__2024-03-20T00-00-00"), "a1b2"),
        files.journal_file(plan(), "c"),
    }
