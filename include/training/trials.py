"""One trial of a search: whether it runs, ended or was lost, and what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from optuna.trial import TrialState

from include.training.tuning_result import TrialResult

if TYPE_CHECKING:
    import optuna

#: The error of a trial whose process died.
DIED = "the task's process died during the fit; if memory ran out, lower training.tuning.sample_rows"
#: The error of a trial that ended through no fault of its family.
INTERRUPTED = "interrupted"
#: The error of a trial that another task ran instead.
SURPLUS = "surplus"


def is_lost(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether a trial's process died, as far as is known."""
    return not trial.state.is_finished() and bool(trial.user_attrs.get("given_up"))


def is_running(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether a trial's process has yet to report the result."""
    return not trial.state.is_finished() and not is_lost(trial)


def has_ended(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether a trial has a result, which may be that its process died; cancelled trials have none."""
    return not is_running(trial) and trial.user_attrs.get("error") != SURPLUS


def seconds_of(trial: optuna.trial.FrozenTrial) -> float:
    """Return a trial's seconds of work; for a lost trial, those up to its last completed fold.

    They may be fewer than the time from begin to end, in which the storage or the task may have been down.
    """
    return trial.user_attrs.get("seconds", 0.0)


def score_of(trial: optuna.trial.FrozenTrial) -> float:
    """Return the score of a completed trial."""
    assert trial.value is not None, "a completed trial has a score"
    return trial.value


def is_limited(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether a trial was fitted on fewer rows, after an earlier trial was lost."""
    return "max_rows" in trial.user_attrs


def trial_result(trial: optuna.trial.FrozenTrial) -> TrialResult:
    """Return what is kept of a trial when the search is over."""
    return TrialResult(
        number=trial.number,
        params=trial.params | trial.user_attrs.get("rounds", {}),
        state="fail" if is_lost(trial) else _STATES[trial.state],
        score=trial.value if trial.state == TrialState.COMPLETE else None,
        fold_scores=trial.user_attrs.get("fold_scores", []),
        seconds=seconds_of(trial),
        worker=trial.user_attrs.get("worker"),
        error=DIED if is_lost(trial) else trial.user_attrs.get("error"),
    )


_STATES: dict[TrialState, Literal["complete", "pruned", "fail", "running", "waiting"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "fail",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
