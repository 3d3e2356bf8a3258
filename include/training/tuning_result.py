"""What a search found of each family, and how a log tells it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TuningResult:
    """What the search found of one family.

    Attributes
    ----------
    params
        The best trial's, with the rounds at which it was best; None where no trial was completed.
    score
        Mean of the metric over the folds.
    fold_rounds
        The rounds at which each fold's fit was best, for families that stop early.
    trials
        Every trial: its number, parameters, state, score (None where it was not completed) and seconds.
    seconds
        What the family's trials took.
    note
        Why the family was left out, where it was, or what else became of it.
    max_rows
        Rows that the best trial was fitted on at most, where an earlier one was lost; None for all.
    """

    family: str
    trial: int | None
    params: dict[str, Any] | None
    score: float | None
    fold_scores: list[float]
    fold_rounds: list[int] | None
    trials: list[dict[str, Any]]
    seconds: float
    note: str = ""
    max_rows: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def tuning_table(results: Mapping[str, TuningResult], metric: str) -> str:
    """Return what the search found as a table of text, for a log."""
    lines = [f"{'candidate':<26}{metric:>12}{'trials':>8}{'ended early':>13}{'seconds':>9}"]
    for family, result in results.items():
        score = f"{result.score:.5f}" if result.score is not None else "no result"
        early = sum(each["state"] == "pruned" for each in result.trials)
        lines.append(f"{family:<26}{score:>12}{len(result.trials):>8}{early:>13}{result.seconds:>9.1f}  {result.note}")
    return "\n".join(line.rstrip() for line in lines)


def format_unfinished(results: Mapping[str, TuningResult]) -> str | None:
    """Return which candidates no trial was finished of, for the line above the table; None where there is none."""
    names = [family for family, result in results.items() if result.trial is None]
    return f"{len(names)} of {len(results)} candidates without a result: {', '.join(names)}" if names else None
