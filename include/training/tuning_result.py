"""What a search found for each family, and how the log shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.training.candidates import Params


@dataclass(frozen=True)
class TrialResult:
    """What is kept of a trial when the search is over.

    Attributes
    ----------
    params
        The trial's parameters, with the number of rounds that was best.
    score
        Mean of the metric over the folds; None unless the trial was completed.
    seconds
        Seconds of work, without waiting for the storage.
    worker
        Number of the task that ran the trial.
    error
        Why the trial was not completed, where it was not.
    """

    number: int
    params: Params
    state: Literal["complete", "pruned", "fail", "running", "waiting"]
    score: float | None
    fold_scores: list[float]
    seconds: float
    worker: int | None
    error: str | None


@dataclass(frozen=True)
class TuningResult:
    """What the search found for one family.

    Attributes
    ----------
    trial
        Number of the best trial; None if none was completed.
    params
        Parameters of the best trial, with its number of rounds; None if no trial was completed.
    score
        Mean of the metric over the folds; None if no trial was completed.
    fold_rounds
        Best number of rounds on each fold, for families that stop early.
    trials
        Every trial, in the order in which they began.
    seconds
        Seconds of work of all trials.
    note
        Why the family was left out, or what else went wrong; empty if nothing did.
    max_rows
        Maximum number of rows that the best trial was fitted on, after an earlier trial was lost; None for all rows.
    """

    family: str
    trial: int | None
    params: Params | None
    score: float | None
    fold_scores: list[float]
    fold_rounds: list[int] | None
    trials: list[TrialResult]
    seconds: float
    note: str = ""
    max_rows: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> TuningResult:
        """Make a result from that of `to_json`."""
        return cls(**{**fields, "trials": [TrialResult(**trial) for trial in fields["trials"]]})


def tuning_table(results: Mapping[str, TuningResult], metric: str) -> str:
    """Return the results as a table of text, for the log."""
    lines = [f"{'candidate':<26}{metric:>12}{'trials':>8}{'ended early':>13}{'seconds':>9}"]
    for family, result in results.items():
        score = f"{result.score:.5f}" if result.score is not None else "no result"
        pruned = sum(trial.state == "pruned" for trial in result.trials)
        lines.append(f"{family:<26}{score:>12}{len(result.trials):>8}{pruned:>13}{result.seconds:>9.1f}  {result.note}")
    return "\n".join(line.rstrip() for line in lines)


def format_unfinished(results: Mapping[str, TuningResult]) -> str | None:
    """Return a sentence that names the candidates without a completed trial; None if every candidate has one."""
    names = [family for family, result in results.items() if result.trial is None]
    return f"{len(names)} of {len(results)} candidates without a result: {', '.join(names)}" if names else None
