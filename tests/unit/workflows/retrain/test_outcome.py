"""The first line of a run's logs says what happened to the champion, whatever the verdict was."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from include.core.errors import TrackingUnavailable
from include.gate.answer import Answer
from include.gate.verdict import Verdict
from include.lake import run_files
from include.registry import promotion
from include.registry.promotion import Hold
from include.workflows.retrain import files
from include.workflows.retrain.documents import RegistrationResult
from include.workflows.retrain.outcome import NOT_PROMOTED, WAITING, describe_outcome, expected_outcome
from include.workflows.retrain.steps import judge
from tests import factories
from tests.unit.reports.card.facts import shop_of
from tests.unit.workflows.retrain.test_decision_record import planned

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

PROMOTE = Verdict("promote", "promote: roc_auc 0.7000 is better than the champion (version 3) by 0.0500", [])
KEEP = Verdict("keep", "keep (the champion stays version 3): GATE005 exactly as good as the champion", [])
HELD = Hold("ada", "late flights are missed", "2026-12-01T06:00:00+00:00")
REJECTED = Answer(False, "bo", "not tonight", datetime(2026, 12, 1, 6, tzinfo=UTC))


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a pipeline that promotes without approval."""
    made = shop_of("binary", tmp_path, minimum=0.6)
    made._folder = tmp_path / "shop"
    return made


def _registered(note: str = "", alias: str | None = "challenger") -> RegistrationResult:
    return RegistrationResult(version=4, alias=alias, mlflow_run_id="abc", note=note, champion=3)


@pytest.mark.parametrize(
    ("champion", "told"),
    [
        (3, "PROMOTED: version 4 is the champion in place of version 3"),
        (None, "PROMOTED: version 4 is the first champion"),
    ],
)
def test_a_promotion_names_the_new_and_the_old_champion(champion: int | None, told: str) -> None:
    """Before the first champion there is no version to name."""
    assert describe_outcome(planned(champion), PROMOTE, _registered(alias="champion")) == told


@pytest.mark.parametrize(
    ("registration", "told"),
    [
        (
            _registered(f"{NOT_PROMOTED}{HELD.note('shop')}"),
            f"NOT PROMOTED: {HELD.note('shop')} (the verdict was promote)",
        ),
        (
            _registered(f"{NOT_PROMOTED}{WAITING}"),
            "NOT PROMOTED YET: waiting for an answer (the verdict was promote)",
        ),
        (
            _registered(f"{NOT_PROMOTED}{REJECTED.sentence}"),
            "NOT PROMOTED: rejected by bo at 2026-12-01T06:00:00+00:00: not tonight (the verdict was promote)",
        ),
        (
            _registered(f"{NOT_PROMOTED}version 5 has become the champion since this run compared to version 3"),
            "NOT PROMOTED: version 5 has become the champion since this run compared to version 3 (the verdict was "
            "promote)",
        ),
        (_registered(), "NOT PROMOTED: another version has become the champion meanwhile (the verdict was promote)"),
    ],
    ids=["held", "waiting", "rejected", "a lost race", "no note"],
)
def test_a_verdict_that_promotes_nothing_is_not_the_outcome(registration: RegistrationResult, told: str) -> None:
    """Under a hold the first line said VERDICT promote, and 45 lines later that nothing was promoted."""
    assert describe_outcome(planned(3), PROMOTE, registration) == told


def test_a_verdict_that_keeps_the_champion_is_the_outcome() -> None:
    """The reason is the gate's own sentence."""
    assert describe_outcome(planned(3), KEEP, _registered()) == f"NOT PROMOTED: {KEEP.reason}"


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (PROMOTE, "NOT PROMOTED: this is a dry run, which registers nothing (the verdict was promote)"),
        (KEEP, f"NOT PROMOTED: this is a dry run, and the verdict was {KEEP.reason}"),
    ],
)
def test_a_dry_run_says_its_verdict(verdict: Verdict, told: str, pipeline: Pipeline) -> None:
    """The last line of a dry run said only that nothing was registered."""
    plan = replace(planned(3), dry_run=True)

    assert describe_outcome(plan, verdict, RegistrationResult(note="dry run: nothing registered")) == told
    assert expected_outcome(pipeline, plan, verdict, None) == told


def test_the_gate_says_what_will_happen(pipeline: Pipeline) -> None:
    """A hold, and an approval that is required, are known before the version is registered."""
    asks = pipeline.model_copy(update={"approval": "required"})

    told = [
        expected_outcome(pipeline, planned(3), PROMOTE, None),
        expected_outcome(pipeline, planned(3), PROMOTE, HELD),
        expected_outcome(asks, planned(3), PROMOTE, None),
        expected_outcome(pipeline, planned(3), KEEP, None),
    ]

    assert told == [
        "TO BE PROMOTED: the challenger will be the champion in place of version 3",
        f"NOT PROMOTED: {HELD.note('shop')} (the verdict was promote)",
        "NOT PROMOTED YET: a person will be asked for approval (the verdict was promote)",
        f"NOT PROMOTED: {KEEP.reason}",
    ]


def _held(name: str) -> Hold:
    return HELD


def _unreachable(name: str) -> Hold:
    raise TrackingUnavailable("MLflow does not answer")


@pytest.mark.parametrize(
    ("asked", "first"),
    [(_held, "shop: NOT PROMOTED: held by ada"), (_unreachable, "shop: TO BE PROMOTED: the challenger will be")],
)
def test_the_first_line_of_the_gates_log_is_the_outcome(
    asked: Any,
    first: str,
    pipeline: Pipeline,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The gate judges under a hold, and also while the tracking server does not answer."""
    monkeypatch.setattr(promotion, "held", asked)
    plan = planned(3)
    run_files.write_json(files.folder(plan) / "evidence.json", factories.evidence().to_json())

    with caplog.at_level(logging.INFO):
        verdict = judge(pipeline, plan)

    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert verdict.verdict == "promote"
    assert lines[0].startswith(first)
    assert lines[1].startswith("VERDICT  promote")
