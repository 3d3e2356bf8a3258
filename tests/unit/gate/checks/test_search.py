"""The search was complete enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.evaluation.search import CandidateTried, SearchProgress
from include.gate.check import NotApplicable
from include.gate.checks.search import SearchWasComplete
from include.gate.verdict import decide
from tests import factories

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence

NO_TIME = "no trial finished within the time budget"
TRIED = CandidateTried("lightgbm", 1, 6.2)
#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE021": (
        {
            "search": SearchProgress(
                [TRIED, *(CandidateTried(family, 0, 0.0, note=NO_TIME) for family in ("extra_trees", "linear"))], 1
            )
        },
        {},
    ),
}


def _evidence(*candidates: CandidateTried, seconds: float | None = 60, **changes: object) -> Evidence:
    return factories.evidence(search=SearchProgress(list(candidates), seconds), **changes)


class TestGATE021:
    """The search was complete enough."""

    check = SearchWasComplete()

    def test_a_candidate_that_was_never_tried_is_named(self, gate: Gate) -> None:
        """One second of search tried one of three candidates, and the result became the champion."""
        evidence = factories.evidence(**EXAMPLES["GATE021"][0])

        assert self.check.explain(evidence, gate) == (
            "2 of 3 candidates have no finished trial, so the challenger is only the best of the others: extra_trees "
            "(no trial finished within the time budget), linear (no trial finished within the time budget); give the "
            "search more time with training.tuning.seconds (1 in this run)"
        )

    @pytest.mark.parametrize("champion", [None, factories.champion()], ids=["the first version", "a later one"])
    def test_it_promotes_nothing(self, champion: object, gate: Gate) -> None:
        """Neither the first champion nor a later one comes from a search that left a candidate out."""
        evidence = factories.evidence(**EXAMPLES["GATE021"][0], champion=champion)

        verdict = decide(evidence, gate, [self.check])

        assert verdict.verdict == "inconclusive"
        assert "GATE021 2 of 3 candidates have no finished trial" in verdict.reason

    def test_a_pipeline_may_let_it_pass_with_a_warning(self, gate: Gate) -> None:
        """The check is not essential: the owner of a model may set its severity."""
        lenient = gate.model_copy(update={"severities": {"GATE021": "warn"}})

        verdict = decide(factories.evidence(**EXAMPLES["GATE021"][0]), lenient, [self.check])

        assert verdict.verdict == "promote"
        assert "warnings: GATE021 2 of 3 candidates" in verdict.reason

    def test_a_candidate_that_fails_is_named_with_its_error(self, gate: Gate) -> None:
        """More time does not help it, so the sentence does not ask for time."""
        failing = CandidateTried("neighbors", 0, 0.1, failed=True, note="left out after trial 1: ValueError: no")

        assert self.check.explain(_evidence(TRIED, failing), gate) == (
            "1 of 2 candidates have no finished trial, so the challenger is only the best of the others: neighbors "
            "(left out after trial 1: ValueError: no); correct a candidate that fails, or remove it from the candidates"
        )

    def test_a_search_that_had_time_for_the_defaults_only_is_not_complete(self, gate: Gate) -> None:
        """Each candidate has its first trial, and the time was over."""
        evidence = _evidence(TRIED, CandidateTried("linear", 1, 2.0), seconds=8)

        assert self.check.explain(evidence, gate) == (
            "the time was over before any candidate tried more than its default parameters: raise "
            "training.tuning.seconds (8 in this run)"
        )

    @pytest.mark.parametrize(
        "evidence",
        [
            _evidence(TRIED, CandidateTried("linear", 2, 2.0), seconds=8),
            _evidence(TRIED, CandidateTried("linear", 1, 1.0), seconds=8),
            _evidence(TRIED, CandidateTried("linear", 1, 90.0), seconds=None),
            factories.evidence(search=SearchProgress([TRIED, CandidateTried("linear", 1, 2.0)], 8, tasks=2)),
            _evidence(CandidateTried("baseline", 1, 9.0, searches=False), seconds=8),
        ],
        ids=[
            "one was searched",
            "the trials ended it",
            "no time limit",
            "the other task has time",
            "nothing to search",
        ],
    )
    def test_it_stays_quiet(self, evidence: Evidence, gate: Gate) -> None:
        """A search that its trials ended, or that tried more than the defaults, is complete."""
        assert self.check.explain(evidence, gate) is None

    def test_evidence_of_an_earlier_release_is_not_judged(self, gate: Gate) -> None:
        """An earlier release did not record the search in the evidence."""
        with pytest.raises(NotApplicable, match="not recorded"):
            self.check.explain(factories.evidence(search=None), gate)

    def test_its_numbers_are_kept(self, gate: Gate) -> None:
        """The record has what each candidate got."""
        assert self.check.numbers(_evidence(TRIED, CandidateTried("linear", 2, 2.5)), gate) == {
            "finished": {"lightgbm": 1, "linear": 2},
            "seconds": {"lightgbm": 6.2, "linear": 2.5},
            "budget_seconds": 60,
        }
