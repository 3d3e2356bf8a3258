"""How far the search for the challenger came: which candidates were tried, and with how much time."""

from __future__ import annotations

from dataclasses import dataclass

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields


@dataclass(frozen=True)
class CandidateTried:
    """The trials of one candidate.

    Attributes
    ----------
    finished
        Number of trials with a score.
    seconds
        Seconds of work of all trials.
    searches
        Whether the candidate has a search space, so that more than its defaults can be tried.
    failed
        Whether a trial failed; otherwise only time was missing.
    note
        Why no trial was finished, or what else went wrong.
    """

    family: str
    finished: int
    seconds: Number
    searches: bool = True
    failed: bool = False
    note: str = ""


@dataclass(frozen=True)
class SearchProgress:
    """The candidates of a run, and the time that it had for them.

    Attributes
    ----------
    seconds
        Seconds of each task that searched; None where only the number of trials ended the search.
    tasks
        Number of tasks that searched together.
    """

    candidates: list[CandidateTried]
    seconds: Number | None
    tasks: int = 1
