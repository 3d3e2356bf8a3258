"""The question of an approval can be read where it is asked, and says what an answer does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.config.pipeline import Approval
from include.gate.verdict import decide
from include.lake import run_files
from include.registry import promotion
from include.workflows.retrain import files
from include.workflows.retrain.steps import approval_request
from tests import factories
from tests.unit.reports.card.facts import shop_of
from tests.unit.workflows.retrain.test_decision_record import planned

if TYPE_CHECKING:
    from pathlib import Path

    from include.workflows.retrain.approve import Question

CARD = "http://127.0.0.1:5000/#/experiments/1/runs/abc/artifacts/model_card.html"


@pytest.fixture(autouse=True)
def _server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MLflow have pages, and no hold."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    monkeypatch.setattr(promotion, "held", lambda name: None)


def question(folder: Path, champion: int | None = 3, **approval: Any) -> Question:
    """Return the question about version 4, which is better than the champion."""
    asked_for = Approval.model_validate({"hours": 8, **approval})
    pipeline = shop_of("binary", folder, minimum=0.6).model_copy(update={"approval": asked_for})
    pipeline._folder = folder / "shop"
    run = planned(champion)
    evidence = factories.evidence(champion=factories.champion() if champion else None)
    verdict = decide(evidence, pipeline.gate)
    assert verdict.verdict == "promote"
    told = {"version": 4, "alias": "challenger", "mlflow_run_id": "abc", "note": "", "card": CARD}
    for name, content in (("evidence", evidence.to_json()), ("verdict", verdict.to_json()), ("registration", told)):
        run_files.write_json(files.folder(run) / f"{name}.json", content)
    asked = approval_request(pipeline, run)
    assert asked is not None
    return asked


def test_the_numbers_and_the_checks_are_tables(tmp_path: Path) -> None:
    """Airflow shows a block of code of several lines as one line, in which no column can be read."""
    lines = question(tmp_path).body.splitlines()

    assert "|  | challenger | champion (version 3) | baseline |" in lines
    assert any(line.startswith(r"| roc_auc \* | 0.7000 | 0.6500 |") for line in lines)
    assert sum(line.startswith("| GATE") for line in lines) >= 15
    assert "```" not in question(tmp_path).body


def test_the_question_names_the_version_and_where_to_look(tmp_path: Path) -> None:
    """The page links to the card, the version and the champion."""
    asked = question(tmp_path)

    assert asked.subject == "shop: may version 4 become the champion?"
    assert f"[Model card of version 4]({CARD})" in asked.body
    assert "[Version 4 in MLflow](http://127.0.0.1:5000/#/models/shop/versions/4)" in asked.body
    assert "[The champion, version 3](http://127.0.0.1:5000/#/models/shop/versions/3)" in asked.body


@pytest.mark.parametrize(
    ("champion", "unanswered", "told"),
    [
        (3, "keep", "Rejected, version 3 stays. Without an answer within 8 hours version 3 stays."),
        (3, "promote", "Rejected, version 3 stays. Without an answer within 8 hours it is promoted."),
        (None, "keep", "version 4 is the first champion. Rejected, there is still no champion."),
    ],
)
def test_the_question_says_what_answers_do(champion: int | None, unanswered: str, told: str, tmp_path: Path) -> None:
    """The page and the message name the consequence of an approval, a rejection and no answer."""
    asked = question(tmp_path, champion, unanswered=unanswered)

    assert told in asked.body
    assert told in asked.plain


def test_the_question_names_a_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A held promotion does not happen, whatever the answer, so nobody should approve in vain."""
    hold = promotion.Hold("ada", "the strike", "2024-03-01T06:00:00+00:00")
    monkeypatch.setattr(promotion, "held", lambda name: hold)

    asked = question(tmp_path)

    for told in (asked.body, asked.plain):
        assert "Promotions are held by ada since 2024-03-01T06:00:00+00:00: the strike" in told
        assert "an approval promotes nothing" in told


def test_a_message_has_the_table_as_text(tmp_path: Path) -> None:
    """A mail shows the gate's table with its columns aligned, and plain addresses."""
    lines = question(tmp_path).plain.splitlines()

    assert any(line.startswith("VERDICT  promote") for line in lines)
    assert f"Model card of version 4: {CARD}" in lines
    assert not any(line.startswith("|") for line in lines)
