"""The trials of a search: how one is asked for, when one is lost, and what they have come to."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Literal

import optuna
from optuna.trial import TrialState

from include.training import optuna_internals
from include.training.allocation import Progress
from include.training.tuning_result import TrialResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.config.pipeline import Pipeline
    from include.training.candidates import Candidate, Params

#: More trials than this teach nothing, and the sampler's own work grows with them.
MAX_TRIALS = 1000
#: A family that has failed so often in a row is not tried again.
MAX_FAILURES = 2


def open_study(
    storage: optuna.storages.BaseStorage, name: str, pipeline: Pipeline, candidate: Candidate
) -> optuna.Study:
    """Open the study of one family, made where it is not there yet."""
    training = pipeline.training
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3) if training.tuning.prune else optuna.pruners.NopPruner()
    return optuna.create_study(
        storage=storage,
        study_name=f"{name}/{candidate.family}",
        direction="maximize" if training.higher_is_better else "minimize",
        pruner=pruner,
        load_if_exists=True,
    )


def first_params(pipeline: Pipeline, candidate: Candidate, known: Mapping[str, Params]) -> list[Params]:
    """Return what a family's first trials try: its defaults, then what was best in the champion's run.

    Parameters
    ----------
    known
        Parameters by family that were the best in the champion's run.
    """
    earlier = known.get(candidate.family) if pipeline.training.tuning.warm_start else None
    searched = {name: value for name, value in (earlier or {}).items() if name in candidate.defaults}
    best = candidate.defaults | searched
    return [candidate.defaults] if best == candidate.defaults else [candidate.defaults, best]


def ask(
    study: optuna.Study,
    seed: int,
    worker: int,
    workers: int,
    first: Sequence[Params] = (),
    max_rows: int | None = None,
) -> optuna.Trial:
    """Return the study's next trial; what it draws depends on the seed and the trials before it only.

    Parameters
    ----------
    worker, workers
        The number of the task that asks, and how many search at the same time.
    first
        Parameters of the first trials, in their order.
    max_rows
        Rows that the trial is fitted on at most, after one was lost. The first such trial has the first parameters
        again, which are the cheapest.
    """
    # its number is the one thing that no other task is given, so it alone decides what is drawn; and made in one
    # piece, a trial is never without its worker, whenever the process is killed
    retried = any("max_rows" in trial.user_attrs for trial in study.get_trials(deepcopy=False))
    attributes = {"worker": worker} if max_rows is None else {"worker": worker, "max_rows": max_rows}

    def make_sampler(number: int) -> optuna.samplers.BaseSampler:
        sampler = optuna.samplers.TPESampler(seed=seed + number, n_startup_trials=6, constant_liar=workers > 1)
        fixed = first[:1] if max_rows is not None and not retried else first[number : number + 1]
        return optuna.samplers.PartialFixedSampler(fixed[0], sampler) if fixed else sampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna_internals.begin_trial(study, attributes, make_sampler)


def give_up(study: optuna.Study, worker: int) -> None:
    """Mark the trials that this worker left unfinished: its process was killed while it fitted them.

    They are not ended, since Airflow may take a task for dead that lives: what it still tells then counts.
    """
    for trial in unfinished(study, worker):
        optuna_internals.set_user_attr(study, trial, "given_up", True)


def interrupt(study: optuna.Study, worker: int) -> None:
    """End the trials that this worker left unfinished, without blame for their family."""
    for trial in unfinished(study, worker):
        optuna_internals.set_user_attr(study, trial, "error", INTERRUPTED)
        study.tell(trial.number, state=TrialState.PRUNED, skip_if_finished=True)


def decline(study: optuna.Study, trial: optuna.Trial) -> None:
    """End a trial that is more than its family may have, before it has begun."""
    trial.set_user_attr("error", SURPLUS)
    study.tell(trial, state=TrialState.PRUNED)


def unfinished(study: optuna.Study, worker: int | None = None) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that nothing was told of yet, of one worker or (None) of all."""
    running = [trial for trial in study.get_trials(deepcopy=False) if is_running(trial)]
    return [trial for trial in running if worker is None or trial.user_attrs.get("worker") == worker]


#: Why a trial failed whose process is gone.
DIED = "the task's process ended while it was fitted; if memory ran out, lower training.tuning.sample_rows"
#: Why a trial was ended that no fault of its family ended.
INTERRUPTED = "interrupted"
#: Why a trial was ended that another task had in its place.
SURPLUS = "surplus"


def is_lost(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether a trial's process is gone, as far as is known."""
    return not trial.state.is_finished() and bool(trial.user_attrs.get("given_up"))


def is_running(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether a trial's process is still to tell what came of it."""
    return not trial.state.is_finished() and not is_lost(trial)


def has_ended(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether something came of a trial, be it that its process is gone."""
    return not is_running(trial) and trial.user_attrs.get("error") != SURPLUS


def seconds_of(trial: optuna.trial.FrozenTrial) -> float:
    """Return the seconds that a trial worked; of one that was cut off, what they were after its last whole fold.

    From its beginning to its end it may have taken longer: the storage may have been away, and the task with it.
    """
    return trial.user_attrs.get("seconds", 0.0)


def lost_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials whose process is gone that were fitted on all rows: the family may try again on fewer."""
    return [trial for trial in study.get_trials(deepcopy=False) if is_lost(trial) and not _is_limited(trial)]


def _is_limited(trial: optuna.trial.FrozenTrial) -> bool:
    return "max_rows" in trial.user_attrs


def describe_loss(study: optuna.Study) -> str | None:
    """Return what became of a family after a trial was lost that did not end it, or None where none was."""
    lost = lost_trials(study)
    if not lost:
        return None
    limits = [trial.user_attrs["max_rows"] for trial in study.get_trials(deepcopy=False) if _is_limited(trial)]
    then = f"tried again on at most {max(limits):,} rows" if limits else "there was no time to try again"
    return f"trial {lost[0].number} was lost, {then}: {DIED}"


def count_interruptions(study: optuna.Study) -> int:
    """Return how many trials came to nothing by no fault of their family."""
    trials = study.get_trials(deepcopy=False)
    return sum(trial.user_attrs.get("error") in (INTERRUPTED, SURPLUS) for trial in trials)


def seconds_spent_by(study: optuna.Study, worker: int) -> float:
    """Return the seconds that a worker has spent on a study's trials."""
    return sum(
        seconds_of(trial) for trial in study.get_trials(deepcopy=False) if trial.user_attrs.get("worker") == worker
    )


def progress_of(study: optuna.Study, family: str, limit: int, floor: float | None, sign: float) -> Progress:
    """Return how far a family's search has come.

    Parameters
    ----------
    limit
        Trials that the family may have; those of other tasks that are running count.
    floor
        The score of a model without features, of which more is better; None where it is not known.
    sign
        1 where more is better of the study's values, else -1.
    """
    seconds = best_at = previous_at = gained = max_trial_seconds = 0.0
    best: float | None = None
    begun = study.get_trials(deepcopy=False)
    for trial in begun:
        seconds += seconds_of(trial) if trial.state.is_finished() else 0.0
        if trial.state != TrialState.COMPLETE or not math.isfinite(trial.value):
            continue
        max_trial_seconds = max(max_trial_seconds, seconds_of(trial))
        score = sign * trial.value
        if best is None or score > best:
            before = floor if best is None else best
            gained = score - before if before is not None else abs(score)
            best, best_at, previous_at = score, seconds, best_at
    done = len(begun) >= limit or failure_of(study) is not None
    return Progress(family, len(begun), seconds, best, best_at, previous_at, gained, max_trial_seconds, done)


def failure_of(study: optuna.Study) -> str | None:
    """Return why a family is not tried any more, or None where it may be.

    A trial whose process is gone ends its family only if it had been given fewer rows, after an earlier one was lost.
    """
    in_a_row = 0
    for trial in study.get_trials(deepcopy=False):
        if is_lost(trial) and _is_limited(trial):
            return f"left out after trial {trial.number}: {DIED}"
        if trial.state == TrialState.FAIL:
            in_a_row += 1
            if in_a_row >= MAX_FAILURES:
                return f"left out after trial {trial.number}: {trial.user_attrs.get('error', 'it failed')}"
        elif trial.state.is_finished():
            in_a_row = 0
    return None


def best_trial(study: optuna.Study, sign: float) -> optuna.trial.FrozenTrial | None:
    """Return the completed trial with the best finite score; of equal ones the first."""
    complete = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.value is not None and math.isfinite(trial.value)
    ]
    return max(complete, key=lambda trial: (sign * trial.value, -trial.number), default=None)


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
