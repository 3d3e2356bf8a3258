"""The files that the steps of a run leave for each other."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from include.core import settings
from include.core.errors import OtherRelease
from include.gate.answer import Answer
from include.lake import run_files
from include.training.challenger import ChallengerSpec, Member
from include.training.fitted_challenger import FittedChallenger
from include.workflows.retrain import files
from include.workflows.retrain.plan import RunPlan
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path


def plan(run_key: str = "manual__2024-03-20T00:00:00") -> RunPlan:
    """Return a run's plan."""
    return RunPlan(
        pipeline="shop",
        run_key=run_key,
        as_of=date(2024, 3, 20),
        snapshot={"sales": 3},
        champion=None,
        tuning_seconds=60,
        dry_run=False,
        seed=7,
        code_version="unknown",
        lock="unknown",
        created_at=datetime(2024, 3, 20, tzinfo=UTC),
    )


def fitted(sha256: str = "0" * 64, features: list[str] | None = None) -> FittedChallenger:
    """Return a challenger of one linear model."""
    chosen = ChallengerSpec(
        members=[Member("linear", 1.0, {"strength": 1.0}, None, 4.5)],
        tuning_score=4.5,
        calibration="none",
        threshold=None,
        classes=None,
        features=features or ["visitors"],
        reasons=["linear alone"],
    )
    return FittedChallenger(chosen, sha256, 400, date(2023, 3, 1), date(2024, 1, 30), "a1b2")


def test_the_trials_lie_in_the_runs_folder(home: Path) -> None:
    """Tasks on machines that share the lake's folder share the search."""
    path = files.journal_file(plan(), "a1b2")

    assert path == home / "lake" / "shop" / "runs" / path.parent.name / "tuning-a1b2.journal"
    assert str(path.parent) == files.folder(plan()).path


def test_the_trials_of_a_lake_on_an_object_store_lie_in_the_home_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal grows by appending, which an object store cannot; each run has its own."""
    monkeypatch.setenv("LAKE_URI", "s3://bucket/lake")

    path = files.journal_file(plan(), "a1b2")

    assert path.parent == home / "tuning" / "shop"
    assert path.name.endswith("-a1b2.journal")
    assert settings.lake_uri() == "s3://bucket/lake"
    assert path not in {
        files.journal_file(plan("manual__2024-03-20T00-00-00"), "a1b2"),
        files.journal_file(plan(), "c"),
    }


def test_a_feature_table_of_a_release_with_other_fields_is_refused_in_words(home: Path) -> None:
    """A run of an older Nightshift does not continue on a file that is only half understood."""
    put_file("features.json")

    with pytest.raises(
        OtherRelease, match=r"the feature table at .*features\.json was written by another release .* start a new run"
    ):
        files.features(plan())


def test_evidence_and_verdict_of_an_older_release_are_read(home: Path) -> None:
    """Measurements that the older release did not make are None."""
    put_file("evidence.json")
    put_file("verdict.json")

    evidence = files.evidence(plan())

    assert (evidence.metric, evidence.challenger.family, evidence.robustness) == ("mae", "linear", None)
    assert (files.verdict(plan()).verdict, len(files.verdict(plan()).results)) == ("promote", 8)


def test_a_challenger_is_read_as_it_was_written(home: Path) -> None:
    """The choice lies flat in the file, beside the digest and the days, as earlier releases wrote it."""
    run_files.write_json(files.folder(plan()) / "challenger.json", fitted().to_json())

    written = json.loads((files.folder(plan()) / "challenger.json").read_text())

    assert files.challenger(plan()) == fitted()
    assert (written["family"], written["train_end"], written["features"]) == ("linear", "2024-01-30", ["visitors"])


def test_a_challenger_of_a_release_with_other_fields_is_refused_in_words(home: Path) -> None:
    """The sentence names the file and the field."""
    fields = fitted().to_json()
    del fields["calibration"]
    run_files.write_json(files.folder(plan()) / "challenger.json", fields)

    with pytest.raises(
        OtherRelease, match=r"the challenger at .*challenger\.json was written by another release .*'calibration'"
    ):
        files.challenger(plan())


@pytest.mark.parametrize("reason", ["", "looks well"])
def test_an_answer_is_read_as_it_was_written(reason: str, home: Path) -> None:
    """The moment keeps its zone, and a run without an answer has none."""
    answer = Answer(True, "ada", reason, datetime(2024, 3, 20, 6, 15, tzinfo=UTC))
    assert files.answer(plan()) is None
    run_files.write_json(files.folder(plan()) / files.ANSWER, answer.to_json())

    assert files.answer(plan()) == answer
    assert answer.sentence == "approved by ada at 2024-03-20T06:15:00+00:00" + (f": {reason}" if reason else "")


def put_file(name: str) -> None:
    """Put what a run of an older release left in the folder of this one."""
    left = (factories.OTHER_RELEASES / f"run-77f6a14-{name}").read_bytes()
    run_files.write_bytes(files.folder(plan()) / name, left)
