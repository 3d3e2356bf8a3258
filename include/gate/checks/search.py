"""Whether the search for the challenger was complete enough to call its result the best of the candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.gate.check import Check, NotApplicable

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.search import SearchProgress
    from include.gate.check import Numbers


class SearchWasComplete(Check):
    """Each candidate was tried, and there was time for more than their defaults."""

    code, title, severity = "GATE021", "the search was complete enough", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if a candidate has no finished trial, or the time was over before any second trial was finished."""
        search = evidence.search
        if search is None:
            raise NotApplicable("the search was not recorded")
        untried = [each for each in search.candidates if not each.finished]
        if untried:
            remedies = []
            if not all(each.failed for each in untried):
                remedies.append("give the search more time with training.tuning.seconds" + _seconds_of_run(search))
            if any(each.failed for each in untried):
                remedies.append("correct a candidate that fails, or remove it from the candidates")
            named = ", ".join(f"{each.family} ({each.note or 'no trial'})" for each in untried)
            return (
                f"{len(untried)} of {len(search.candidates)} candidates have no finished trial, so the challenger is "
                f"only the best of the others: {named}; {'; '.join(remedies)}"
            )
        searched = [each for each in search.candidates if each.searches]
        if searched and _used_up(search) and not any(each.finished > 1 for each in searched):
            return (
                "the time was over before any candidate tried more than its default parameters: raise "
                f"training.tuning.seconds{_seconds_of_run(search)}"
            )
        return None

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the finished trials and the seconds of each candidate, and the time for all."""
        search = evidence.search
        if search is None:
            return {}
        return {
            "finished": {each.family: each.finished for each in search.candidates},
            "seconds": {each.family: each.seconds for each in search.candidates},
            "budget_seconds": None if search.seconds is None else search.seconds * search.tasks,
        }


def _used_up(search: SearchProgress) -> bool:
    spent = sum(each.seconds for each in search.candidates)
    return search.seconds is not None and spent >= search.seconds * search.tasks


def _seconds_of_run(search: SearchProgress) -> str:
    return "" if search.seconds is None else f" ({search.seconds:g} in this run)"
