"""The gate keeps out every planted bad challenger, and promotes the good ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.core import settings
from tests.mutation.bad import MUTANTS
from tests.mutation.good import GOOD
from tests.mutation.suite import Told, page
from tests.mutation.world import Judged, World

if TYPE_CHECKING:
    from collections.abc import Callable

#: The check that each mutant is planted for; others may fire as well.
PLANTED_FOR = {
    "shuffled_labels": "GATE004",
    "inverted_labels": "GATE004",
    "label_as_a_feature": "GATE017",
    "noisy_label_as_a_feature": "GATE017",
    "learned_the_holdout_and_says_so": "GATE008",
    "learned_the_holdout_by_heart": "GATE017",
    "one_store_ruined": "GATE009",
    "better_but_for_one_store": "GATE009",
    "nan_for_some_rows": "GATE001",
    "infinite_for_a_row": "GATE001",
    "exact_tie": "GATE005",
    "champion_itself": "GATE005",
    "champion_rescaled": "GATE005",
    "constant": "GATE005",
    "random_numbers": "GATE005",
    "over_confident": "GATE011",
    "under_stated": "GATE011",
    "one_class_only": "GATE005",
    "hardly_any_rows": "GATE005",
    "unseen_category_crashes": "GATE013",
    "missing_value_crashes": "GATE013",
    "missing_value_is_nan": "GATE013",
    "depends_on_the_batch": "GATE013",
    "depends_on_the_order": "GATE013",
    "slow": "GATE014",
    "heavy": "GATE014",
    "another_signature": "GATE015",
    "unfair": "GATE010",
    "stale": "GATE018",
    "older_than_the_champion": "GATE007",
    "lucky_seed": "GATE019",
    "judged_without_a_store": "GATE020",
    "not_compared_with_a_candidate": "GATE021",
    "changed_file": "GATE016",
    "another_models_file": "GATE016",
    "pickle_in_its_file": "GATE016",
    "foreign_type_in_its_file": "GATE016",
    "moved_holdout": "GATE006",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a world whose champion and good challenger are fitted once."""
    return World(0, tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize(("mutant", "champion_told"), MUTANTS, ids=[mutant.__name__ for mutant, _ in MUTANTS])
def test_a_bad_challenger_is_caught(
    mutant: Callable[[World], Judged], champion_told: dict[str, Any], world: World
) -> None:
    """By the check that it was planted for, and told so in the verdict's sentence."""
    verdict = world.verdict(mutant(world), champion_told)

    fired = [each.code for each in verdict.results if each.outcome in ("fail", "inconclusive")]
    assert verdict.verdict != "promote"
    assert PLANTED_FOR[mutant.__name__] in fired
    assert not [each for each in verdict.results if each.outcome == "broken"]


@pytest.mark.parametrize("good", GOOD, ids=[good.__name__ for good in GOOD])
def test_a_good_challenger_is_promoted(good: Callable[[World], Judged], world: World) -> None:
    """What is better than the champion in every respect is not kept out."""
    verdict = world.verdict(good(world))

    assert verdict.verdict == "promote", verdict.reason


def test_every_mutant_is_planted_for_a_check() -> None:
    """A new one names the check that it is to prove."""
    assert set(PLANTED_FOR) == {mutant.__name__ for mutant, _ in MUTANTS}


def test_the_page_has_every_planted_challenger() -> None:
    """docs/explanation/gate-proof.md was written after the last one was planted, and reaches the goals it names."""
    written = (settings.root() / "docs" / "explanation" / "gate-proof.md").read_text(encoding="utf-8")

    names = [each.__name__.replace("_", " ") for each in [*(mutant for mutant, _ in MUTANTS), *GOOD]]
    assert [name for name in names if f"| {name} |" not in written] == []
    assert "(100.0%; the goal is all)" in written


def test_the_page_counts_what_was_told() -> None:
    """An escaped mutant and a good one that was kept are in the counts and in their lines."""
    told = [
        Told("tie", "Is as good.", True, "keep", ("GATE005",), ""),
        Told("leak", "Knows the label.", True, "promote", (), ""),
        Told("more rows", "Has seen more.", False, "keep", ("GATE005",), ""),
    ]

    text = page(told, 1)

    assert "**1 of 2** (50.0%" in text
    assert "**1 of 1** (100.0%" in text
    assert "| leak | knows the label | - | 0 of 1 |" in text
    assert "| more rows | has seen more | 0 of 1 |" in text
