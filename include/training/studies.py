"""The trials of a search: how they begin, how they end, which ones are lost, and what they found."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import optuna
from optuna.trial import TrialState

from include.evaluation.metrics import Metric
from include.training import optuna_internals, trials
from include.training.allocation import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.config.pipeline import Pipeline
    from include.training.candidates import Candidate, Params

#: Maximum number of trials per family: more find nothing better, and the sampler slows down with each.
MAX_TRIALS = 1000
#: A family gets no further trial after so many failures in a row.
MAX_FAILURES = 2


def open_study(
    storage: optuna.storages.BaseStorage, name: str, pipeline: Pipeline, candidate: Candidate
) -> optuna.Study:
    """Open the study of one family; create it if it does not exist."""
    training = pipeline.training
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3) if training.tuning.prune else optuna.pruners.NopPruner()
    return optuna.create_study(
        storage=storage,
        study_name=f"{name}/{candidate.family}",
        direction="maximize" if Metric.of(training).higher_is_better else "minimize",
        pruner=pruner,
        load_if_exists=True,
    )


def first_params(pipeline: Pipeline, candidate: Candidate, known: Mapping[str, Params]) -> list[Params]:
    """Return the parameters of a family's first trials: its defaults, then the best ones of the champion's run.

    Parameters
    ----------
    known
        Best parameters of the champion's run, by family.
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
    """Begin the study's next trial; what it draws depends only on the seed and the earlier trials.

    Parameters
    ----------
    worker, workers
        Number of the task that runs the trial, and how many tasks search in parallel.
    first
        Parameters of the first trials, in order.
    max_rows
        Maximum number of rows to fit on, after a trial was lost. The first such trial repeats the first parameters,
        which are the cheapest.
    """
    # no other task gets the same trial number, so the number alone decides what is drawn
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
    """Mark the trials that this worker left unfinished because its process was killed.

    They are not ended, because Airflow may mistake a running task for a dead one: a result it still reports counts.
    """
    for trial in unfinished(study, worker):
        optuna_internals.set_user_attr(study, trial, "given_up", True)


def interrupt(study: optuna.Study, worker: int) -> None:
    """End the trials that this worker left unfinished; they do not count as failures of their family."""
    for trial in unfinished(study, worker):
        optuna_internals.set_user_attr(study, trial, "error", trials.INTERRUPTED)
        study.tell(trial.number, state=TrialState.PRUNED, skip_if_finished=True)


def decline(study: optuna.Study, trial: optuna.Trial) -> None:
    """Cancel a trial that exceeds its family's limit before it starts."""
    trial.set_user_attr("error", trials.SURPLUS)
    study.tell(trial, state=TrialState.PRUNED)


def unfinished(study: optuna.Study, worker: int | None = None) -> list[optuna.trial.FrozenTrial]:
    """Return the trials without a result, of one worker or (None) of all workers."""
    running = [trial for trial in study.get_trials(deepcopy=False) if trials.is_running(trial)]
    return [trial for trial in running if worker is None or trial.user_attrs.get("worker") == worker]


def lost_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the lost trials that were fitted on all rows: the family may try again on fewer."""
    return [
        trial for trial in study.get_trials(deepcopy=False) if trials.is_lost(trial) and not trials.is_limited(trial)
    ]


def describe_loss(study: optuna.Study) -> str | None:
    """Return what happened after a trial of the family was lost; None if none was."""
    lost = lost_trials(study)
    if not lost:
        return None
    limits = [trial.user_attrs["max_rows"] for trial in study.get_trials(deepcopy=False) if trials.is_limited(trial)]
    then = f"tried again on at most {max(limits):,} rows" if limits else "there was no time to try again"
    return f"trial {lost[0].number} was lost, {then}: {trials.DIED}"


def count_interruptions(study: optuna.Study) -> int:
    """Return how many trials ended without a result through no fault of their family."""
    without_blame = (trials.INTERRUPTED, trials.SURPLUS)
    return sum(trial.user_attrs.get("error") in without_blame for trial in study.get_trials(deepcopy=False))


def seconds_spent_by(study: optuna.Study, worker: int) -> float:
    """Return a worker's seconds of work on a study's trials."""
    return sum(
        trials.seconds_of(trial)
        for trial in study.get_trials(deepcopy=False)
        if trial.user_attrs.get("worker") == worker
    )


def progress_of(study: optuna.Study, family: str, limit: int, floor: float | None, sign: float) -> Progress:
    """Return the progress of a family's search.

    Parameters
    ----------
    limit
        Maximum number of trials; trials that run in other tasks count.
    floor
        Score of a model without features, signed so that higher is better; None if it is unknown.
    sign
        1 if a higher value of the metric is better, else -1.
    """
    seconds = best_at = previous_at = gained = max_trial_seconds = 0.0
    best: float | None = None
    begun = study.get_trials(deepcopy=False)
    for trial in begun:
        seconds += trials.seconds_of(trial) if trial.state.is_finished() else 0.0
        if trial.state != TrialState.COMPLETE or not math.isfinite(trials.score_of(trial)):
            continue
        max_trial_seconds = max(max_trial_seconds, trials.seconds_of(trial))
        score = sign * trials.score_of(trial)
        if best is None or score > best:
            before = floor if best is None else best
            gained = score - before if before is not None else abs(score)
            best, best_at, previous_at = score, seconds, best_at
    done = len(begun) >= limit or failure_of(study) is not None
    return Progress(family, len(begun), seconds, best, best_at, previous_at, gained, max_trial_seconds, done)


def failure_of(study: optuna.Study) -> str | None:
    """Return why a family gets no further trial; None if it may.

    A lost trial ends its family only if it was fitted on fewer rows, after an earlier one was lost.
    """
    in_a_row = 0
    for trial in study.get_trials(deepcopy=False):
        if trials.is_lost(trial) and trials.is_limited(trial):
            return f"left out after trial {trial.number}: {trials.DIED}"
        if trial.state == TrialState.FAIL:
            in_a_row += 1
            if in_a_row >= MAX_FAILURES:
                return f"left out after trial {trial.number}: {trial.user_attrs.get('error', 'it failed')}"
        elif trial.state.is_finished():
            in_a_row = 0
    return None


def best_trial(study: optuna.Study, sign: float) -> optuna.trial.FrozenTrial | None:
    """Return the completed trial with the best finite score; the first one if several are equal."""
    complete = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.value is not None and math.isfinite(trial.value)
    ]
    return max(complete, key=lambda trial: (sign * trials.score_of(trial), -trial.number), default=None)
