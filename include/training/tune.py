"""Tunes all candidates in one search with one time budget; its trials survive a killed task."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from include.core.errors import TrainingImpossible
from include.evaluation.metrics import Metric
from include.training import studies, trial_storage, trials
from include.training.allocation import next_family, trial_share
from include.training.run_trial import TrialLimits, check_results, fit_folds, mean_score
from include.training.trial_log import TrialLog
from include.training.tuning_result import TuningResult
from include.training.work_clock import WorkClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import optuna

    from include.config.pipeline import Pipeline
    from include.training.allocation import Progress
    from include.training.candidates import Candidate, Params
    from include.training.folds import Folds


class Search:
    """One search over all candidates of a pipeline.

    Parameters
    ----------
    journal
        File that stores the trials, unless a database is configured.
    name
        Name of the search in the storage; a search of the same name continues with the same trials.
    known
        Best parameters of the champion's run, by family.
    """

    def __init__(self, pipeline: Pipeline, journal: Path, name: str, known: Mapping[str, Params] | None = None) -> None:
        from include.training.candidates import candidates_of

        self.pipeline, self.training = pipeline, pipeline.training
        self.sign = Metric.of(self.training).sign
        self.candidates: dict[str, Candidate] = candidates_of(self.training)
        self.first = {
            family: studies.first_params(pipeline, candidate, known or {})
            for family, candidate in self.candidates.items()
        }
        storage = trial_storage.open_storage(journal)
        with trial_storage.reachable():
            self.studies: dict[str, optuna.Study] = {
                family: studies.open_study(storage, name, pipeline, candidate)
                for family, candidate in self.candidates.items()
            }

    def run(self, folds: Folds, seconds: float, worker: int, keep: Callable[[str, int, np.ndarray], None]) -> None:
        """Run trials until this worker's seconds or all trials are used up.

        Each family tries its defaults first, on all folds, and then the champion's parameters if they are known. A
        worker that was killed continues with its remaining seconds. Only seconds of work count: waiting for the storage
        is free. If the pipeline is deterministic, only the number of trials ends the search.

        Parameters
        ----------
        worker
            Number of the task among those that search in parallel.
        keep
            Receives the predictions of every trial that is the best of its family so far.

        Raises
        ------
        TrainingImpossible
            If the database with the trials does not answer.
        """
        with trial_storage.reachable():
            self._run(folds, seconds, worker, keep)

    def _run(self, folds: Folds, seconds: float, worker: int, keep: Callable[[str, int, np.ndarray], None]) -> None:
        for study in self.studies.values():
            studies.give_up(study, worker)
        left = math.inf if self.training.deterministic else self._seconds_left(seconds, worker)
        trial_log = TrialLog(self.pipeline.name, self.training.metric)
        trial_log.begin(list(self.candidates), left)
        while left > 0 or not self._has_result():
            progress = self._progress()
            family = next_family(progress)
            if family is None:
                break
            [max_trial_seconds] = [each.max_trial_seconds for each in progress if each.family == family]
            share = math.inf if math.isinf(left) else trial_share(seconds, len(progress), max_trial_seconds)
            trial, worked = self._run_trial(family, folds, worker, left, share / len(folds.folds), keep)
            left -= worked
            if trials.has_ended(trial):
                trial_log.trial(trials.trial_result(trial), family, self._leader(), left)
        trial_log.end()

    def is_over(self, seconds: float, worker: int) -> bool:
        """Return whether the search has a result, and this worker has no seconds left or no family a trial.

        The search is not over while this worker has an unfinished trial, which has to be given up first.
        """
        if not self._has_result() or any(studies.unfinished(study, worker) for study in self.studies.values()):
            return False
        spent = self._seconds_left(seconds, worker) <= 0 and not self.training.deterministic
        return spent or next_family(self._progress()) is None

    def interrupt(self, worker: int) -> None:
        """End the trial that this worker left because the database did not answer; its family is tried again."""
        with trial_storage.reachable():
            for study in self.studies.values():
                studies.interrupt(study, worker)

    def waits_for_others(self) -> bool:
        """Return whether there is no result yet, and a parallel task has a trial running."""
        return not self._has_result() and any(studies.unfinished(study) for study in self.studies.values())

    def results(self) -> dict[str, TuningResult]:
        """Return the result of each family.

        Raises
        ------
        TrainingImpossible
            If no trial of any family has a finite score.
        """
        with trial_storage.reachable():
            found = {family: self._result(family) for family in self.studies}
        if not any(result.trial is not None for result in found.values()):
            reasons = "; ".join(f"{family}: {result.note or 'no trial'}" for family, result in found.items())
            raise TrainingImpossible(
                f"{self.pipeline.name}: no candidate has a finite {self.training.metric} ({reasons}); see the log of "
                "the tuning tasks, and check the label and the features"
            )
        return found

    def _run_trial(
        self,
        family: str,
        folds: Folds,
        worker: int,
        left: float,
        fold_seconds: float,
        keep: Callable[[str, int, np.ndarray], None],
    ) -> tuple[optuna.trial.FrozenTrial, float]:
        """Run one trial of a family, record the outcome in its study, and return it with the seconds of work.

        Boosting stops a fold's fit after `fold_seconds`, or when no seconds are `left`.
        """
        import numpy as np

        clock, study = WorkClock(), self.studies[family]
        max_rows = folds.fit_rows // 2 if studies.lost_trials(study) else None
        candidate = self.candidates[family].on_at_most(max_rows)
        workers, first = self.training.tuning.parallel, self.first[family]
        trial = studies.ask(study, self.training.seed, worker, workers, first, max_rows)
        if trial.number >= self._limit(family):  # a parallel task began the last one at the same time
            studies.decline(study, trial)
            return study.trials[trial.number], clock.seconds
        # the search needs a result, so the first trial is finished however long it takes
        has_result = self._has_result()
        limits = TrialLimits(left if has_result else math.inf, fold_seconds, may_prune=has_result)
        state, results = fit_folds(study, trial, candidate, folds, clock, limits)
        if state == TrialState.COMPLETE:
            state = check_results(trial, candidate, results, self.training.metric)
        if state != TrialState.COMPLETE:
            return study.tell(trial, state=state, skip_if_finished=True), clock.seconds
        mean = mean_score(results)
        best = studies.best_trial(study, self.sign)
        # the first of equal trials counts, and a parallel task may begin one earlier and report it later
        if best is None or (self.sign * mean, -trial.number) > (self.sign * trials.score_of(best), -best.number):
            keep(family, trial.number, np.concatenate([each.predictions for each in results]))
        return study.tell(trial, mean, skip_if_finished=True), clock.seconds

    def _leader(self) -> tuple[str, float] | None:
        """Return family and score of the best trial so far."""
        found = [(family, studies.best_trial(study, self.sign)) for family, study in self.studies.items()]
        scores = [(family, trials.score_of(best)) for family, best in found if best is not None]
        return max(scores, key=lambda each: self.sign * each[1], default=None)

    def _seconds_left(self, seconds: float, worker: int) -> float:
        return seconds - sum(studies.seconds_spent_by(study, worker) for study in self.studies.values())

    def _progress(self) -> list[Progress]:
        floor = None
        if "baseline" in self.studies:
            best = studies.best_trial(self.studies["baseline"], self.sign)
            floor = None if best is None else self.sign * trials.score_of(best)
        return [
            studies.progress_of(study, family, self._limit(family), floor, self.sign)
            for family, study in self.studies.items()
        ]

    def _limit(self, family: str) -> int:
        """Return the maximum number of trials of a family: one without a search space; lost trials are repeated."""
        study = self.studies[family]
        if not self.candidates[family].searches:
            return 1 + studies.count_interruptions(study) + len(studies.lost_trials(study))
        return (self.training.tuning.trials or studies.MAX_TRIALS) + len(studies.lost_trials(study))

    def _has_result(self) -> bool:
        return any(studies.best_trial(study, self.sign) for study in self.studies.values())

    def _result(self, family: str) -> TuningResult:
        study = self.studies[family]
        best = studies.best_trial(study, self.sign)
        ended = [trials.trial_result(trial) for trial in study.get_trials(deepcopy=False) if trials.has_ended(trial)]
        note = studies.failure_of(study) or studies.describe_loss(study) or ""
        if best is None and not note:
            failed = [each for each in ended if each.state == "fail"]
            note = "no trial finished within the time budget"
            if failed:
                note = f"trial {failed[-1].number} failed: {failed[-1].error}"
        return TuningResult(
            family=family,
            trial=None if best is None else best.number,
            params=None if best is None else best.params | best.user_attrs.get("rounds", {}),
            score=None if best is None else best.value,
            fold_scores=[] if best is None else best.user_attrs["fold_scores"],
            fold_rounds=None if best is None else best.user_attrs.get("fold_rounds"),
            trials=ended,
            seconds=math.fsum(each.seconds for each in ended),
            note=note,
            max_rows=None if best is None else best.user_attrs.get("max_rows"),
        )
