"""Runs one trial of a search: fits its parameters on the folds within time limits, and notes the results."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from include.core.errors import NightshiftError
from include.training import trial_storage
from include.training.trials import INTERRUPTED

if TYPE_CHECKING:
    import optuna

    from include.training.candidates import Candidate
    from include.training.folds import FoldResult, Folds
    from include.training.work_clock import WorkClock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialLimits:
    """When a trial stops early.

    Attributes
    ----------
    seconds
        Seconds of work after which no further fold begins; infinity for no limit.
    fold_seconds
        Seconds after which boosting stops on a fold; infinity for no limit.
    may_prune
        Whether the trial stops after a fold on which it fell behind earlier trials.
    """

    seconds: float
    fold_seconds: float
    may_prune: bool


def fit_folds(
    study: optuna.Study, trial: optuna.Trial, candidate: Candidate, folds: Folds, clock: WorkClock, limits: TrialLimits
) -> tuple[TrialState, list[FoldResult]]:
    """Fit a trial's parameters on one fold after the other; return the state of the trial and the finished folds.

    Raises
    ------
    NightshiftError, BaseException
        If the task has to stop; the trial then does not count as a failure of its family.
    """
    results: list[FoldResult] = []
    state = TrialState.COMPLETE
    try:
        params = candidate.suggest(trial)
        for number in range(len(folds.folds)):
            if number and clock.seconds > limits.seconds:
                trial.set_user_attr("error", "the seconds were used up")
                state = TrialState.PRUNED
                break
            stop = min(limits.seconds - clock.seconds, limits.fold_seconds)
            with clock.fitting():
                until = None if math.isinf(stop) else time.monotonic() + stop
                results.append(folds.fit(candidate, params, number, until))
            trial.set_user_attr("seconds", clock.seconds)  # the seconds spent, in case the process is killed
            trial.report(mean_score(results), number)
            if number + 1 < len(folds.folds) and limits.may_prune and trial.should_prune():
                state = TrialState.PRUNED
                break
    except NightshiftError:
        _interrupt(study, trial)
        raise
    except Exception as error:
        if trial_storage.is_storage_error(error):
            raise
        # a team's own estimator may raise anything; the other families go on
        state = TrialState.FAIL
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        trial.set_user_attr("error", reason)
        log.warning("trial %s of %s failed, the search continues: %s", trial.number, candidate.family, reason)
    except BaseException:
        _interrupt(study, trial)
        raise
    trial.set_user_attr("fold_scores", [each.score for each in results])
    trial.set_user_attr("seconds", clock.seconds)
    return state, results


def check_results(trial: optuna.Trial, candidate: Candidate, results: list[FoldResult], metric: str) -> TrialState:
    """Note the rounds of a completed trial; return its state, which is a failure if its score is not finite."""
    import numpy as np

    if candidate.rounds:
        fold_rounds = [each.rounds or 1 for each in results]
        trial.set_user_attr("fold_rounds", fold_rounds)
        trial.set_user_attr("rounds", {candidate.rounds: max(1, round(float(np.mean(fold_rounds))))})
    if math.isfinite(mean_score(results)):
        return TrialState.COMPLETE
    finite = all(np.isfinite(each.predictions).all() for each in results)
    undefined = f"its {metric} is not defined"
    trial.set_user_attr("error", undefined if finite else "it predicts NaN or infinity for some rows")
    return TrialState.FAIL


def mean_score(results: list[FoldResult]) -> float:
    """Return the mean of the metric over the finished folds."""
    return math.fsum(each.score for each in results) / len(results)


def _interrupt(study: optuna.Study, trial: optuna.Trial) -> None:
    """End a trial that was stopped from outside; it does not count as a failure of its family."""
    trial.set_user_attr("error", INTERRUPTED)
    study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
