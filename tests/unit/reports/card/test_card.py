"""The card has purpose, data, performance, limits and decision of a model, for every task."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from include.evaluation.robustness import PerturbationResult
from include.gate.answer import Answer
from include.reports.card.blocks import Bullets, CardSection, Facts, Plot, Table, Text
from include.reports.card.card import model_card
from tests import factories
from tests.unit.reports.card.facts import described_run, shop_of

if TYPE_CHECKING:
    from pathlib import Path

    from include.reports.card.blocks import Card

TITLES = [
    "Purpose",
    "Data",
    "Metrics",
    "Slices",
    "Fairness",
    "{plots}",
    "Operation",
    "Explanations",
    "Limits",
    "Decision",
]
PLOTS = {
    "binary": ("Calibration and ROC", ["calibration", "roc"]),
    "multiclass": ("Confusion", ["confusion"]),
    "regression": ("Residuals", ["residuals"]),
    "forecasting": ("Residuals", ["residuals"]),
}
PARTS = {"slices": ["store"], "sensitive": ["store"]}


def section(card: Card, title: str) -> CardSection:
    """Return a section by its title."""
    (found,) = [each for each in card.sections if each.title == title]
    return found


def texts(part: CardSection) -> str:
    """Return all texts of a section as one."""
    shown = []
    for block in part.blocks:
        if isinstance(block, Text):
            shown.append(block.text)
        elif isinstance(block, Bullets):
            shown += block.lines
        elif isinstance(block, Facts):
            shown += [f"{name}: {value}" for name, value in block.facts.items()]
        else:
            table = block if isinstance(block, Table) else block.table
            shown += [" | ".join(row) for row in [table.head, *table.rows]]
    return "\n".join(shown)


@pytest.mark.parametrize("task", PLOTS)
@pytest.mark.parametrize("champion", [True, False])
def test_every_task_has_all_sections_and_its_own_plots(task: str, champion: bool, tmp_path: Path) -> None:
    """The sections are complete and in order, with a champion and without one."""
    pipeline = shop_of(task, tmp_path, **PARTS)
    title, kinds = PLOTS[task]

    card = model_card(pipeline, described_run(pipeline, champion))

    assert [each.title for each in card.sections] == [each.format(plots=title) for each in TITLES]
    assert [each.kind for each in section(card, title).blocks if isinstance(each, Plot)] == kinds
    explanations = [each.kind for each in section(card, "Explanations").blocks if isinstance(each, Plot)]
    assert explanations == ["swarm", "bars"]
    for part in card.sections:
        for block in part.blocks:
            table = block.table if isinstance(block, Plot) else block
            if isinstance(table, Table):
                assert all(len(row) == len(table.head) for row in table.rows), part.title


def test_purpose_and_data_name_the_owner_and_the_windows(tmp_path: Path) -> None:
    """The card names the owner, the prediction, and the days of training and holdout."""
    pipeline = shop_of("binary", tmp_path)

    card = model_card(pipeline, described_run(pipeline))

    assert "owner: shop-team" in texts(section(card, "Purpose"))
    assert "predicts: the probability that revenue is 1" in texts(section(card, "Purpose"))
    data = texts(section(card, "Data"))
    assert "training: 2023-03-01 to 2024-01-30, 12,345 rows" in data
    assert "holdout: 2024-02-01 to 2024-02-28, 5,000 rows of 28 days" in data
    assert "label: 1 in 30 % of the holdout" in data
    assert "sales | sql | 3" in data


def test_metrics_have_intervals_and_stand_beside_champion_and_baseline(tmp_path: Path) -> None:
    """The gate's metric is first; a model without a champion says so."""
    pipeline = shop_of("binary", tmp_path)
    run = described_run(pipeline)
    value, ends = run.evidence.challenger.metrics["roc_auc"], run.curves.intervals["roc_auc"]

    shown = texts(section(model_card(pipeline, run), "Metrics"))
    first = texts(section(model_card(pipeline, described_run(pipeline, champion=False)), "Metrics"))

    assert shown.splitlines()[0] == "metric | challenger | 95 % interval | champion (version 3) | baseline (prior)"
    assert shown.splitlines()[1].startswith(f"roc_auc (the gate's) | {value:.4f} | {ends[0]:.4f} to {ends[1]:.4f} | 0.")
    assert "better than the champion by | +0.0500 | 0.0200 to 0.0800 | 28" in shown
    assert "champion (none yet)" in first
    assert "better than the champion" not in first


def test_the_card_says_what_was_not_measured(tmp_path: Path) -> None:
    """Without curves, contributions, slices or groups, each section stays and says what it lacks."""
    pipeline = shop_of("regression", tmp_path)
    run = described_run(pipeline, importance=[], contributions=None, curves=None)
    evidence = replace(run.evidence, slices=[], fairness=None, operation=None, robustness=None)
    run = replace(run, evidence=evidence)

    card = model_card(pipeline, run)

    assert "gate.slices names no column" in texts(section(card, "Slices"))
    assert "gate.sensitive names no column" in texts(section(card, "Fairness"))
    for title in ("Residuals", "Operation"):
        assert "Not measured in this run." in texts(section(card, title))
    assert texts(section(card, "Explanations")).count("not measured in this run") == 2
    limits = texts(section(card, "Limits"))
    for limit in ("gate.slices", "gate.sensitive", "perturbed rows was not measured"):
        assert limit in limits


def test_the_limits_follow_from_the_evidence(tmp_path: Path) -> None:
    """They list losses, unknown slices, warnings, and that the gate did not promote the model."""
    pipeline = shop_of("binary", tmp_path, minimum=0.99, **PARTS)
    run = described_run(pipeline)
    evidence = replace(
        run.evidence,
        robustness=[
            PerturbationResult("numeric noise", None, 0.6, 0.4),
            PerturbationResult("shuffled rows", "it raised ValueError", math.nan, math.nan),
        ],
        slices=[replace(run.evidence.slices[0], challenger=math.nan)],
    )
    first, second, *others = run.verdict.results
    warned = replace(second, outcome="warn", explanation="there are few rows")
    run = replace(run, evidence=evidence, verdict=replace(run.verdict, results=[first, warned, *others]))

    limits = texts(section(model_card(pipeline, run), "Limits"))

    for limit in (
        "The model has learned from rows of 2023-03-01 to 2024-01-30",
        "With numeric noise, it loses 40 % of its gain over the baseline.",
        "With shuffled rows, it failed: it raised ValueError.",
        "roc_auc has no value on store north.",
        "there are few rows.",
        "The gate did not promote it",
    ):
        assert limit in limits


def test_the_decision_explains_every_check(tmp_path: Path) -> None:
    """A failed check links to its page; the verdict is the gate's."""
    pipeline = shop_of("binary", tmp_path, minimum=0.99)
    run = described_run(pipeline)

    card = model_card(pipeline, run)

    shown = texts(section(card, "Decision"))
    assert card.verdict == run.verdict.verdict == "keep"
    assert run.verdict.reason in shown
    assert "GATE003 | fail | reaches the minimum | roc_auc" in shown
    assert "(docs/checks/GATE003.md)" in shown
    assert shown.count("GATE0") >= len(run.verdict.results)


def test_the_card_has_the_version_and_the_approval(tmp_path: Path) -> None:
    """It names the version, its alias, and who approved it with which words."""
    pipeline = shop_of("binary", tmp_path)
    run = described_run(
        pipeline,
        version=4,
        alias="challenger",
        note="not promoted: held by bo",
        answer=Answer(True, "ada", "looks well", datetime(2024, 3, 1, 6, tzinfo=UTC)),
    )

    card = model_card(pipeline, run)

    assert "version: 4, registered as challenger; not promoted: held by bo" in texts(section(card, "Purpose"))
    assert "Approved by ada, 2024-03-01T06:00:00+00:00: looks well" in texts(section(card, "Decision"))


def test_the_card_says_that_a_model_is_not_registered(tmp_path: Path) -> None:
    """It invents neither a version nor an approval."""
    pipeline = shop_of("binary", tmp_path)

    card = model_card(pipeline, described_run(pipeline))

    assert "version: not registered" in texts(section(card, "Purpose"))
    assert "pproved" not in texts(section(card, "Decision"))


def test_the_card_says_that_nobody_answered(tmp_path: Path) -> None:
    """A missing answer is attributed to nobody."""
    pipeline = shop_of("binary", tmp_path)
    unanswered = Answer(False, None, "", datetime(2024, 3, 1, 6, tzinfo=UTC))

    card = model_card(pipeline, described_run(pipeline, answer=unanswered))

    shown = texts(section(card, "Decision"))
    assert "Rejected because nobody answered in time, 2024-03-01T06:00:00+00:00" in shown.splitlines()


def test_the_card_says_that_the_champion_cannot_be_scored(tmp_path: Path) -> None:
    """Its metrics are missing, and the reason is shown."""
    pipeline = shop_of("binary", tmp_path)
    broken = factories.evidence(champion=factories.champion(metrics=None, difference=None, error="it is gone"))

    card = model_card(pipeline, described_run(pipeline, evidence=broken))

    assert "The champion cannot be scored: it is gone" in texts(section(card, "Metrics"))
