"""The trials of a search, kept where they survive a killed task and where several tasks find them."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from include import settings
from include.errors import TrainingImpossible
from include.training.allocation import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import optuna

    from include.config import Pipeline
    from include.training.candidates import Candidate, Params

#: More trials than this teach nothing, and the sampler's own work grows with them.
MAX_TRIALS = 1000
#: A family that has failed so often in a row is not tried again.
MAX_FAILURES = 2


def open_storage(journal: Path) -> optuna.storages.BaseStorage:
    """Open what holds the trials: a journal file, or the database that NIGHTSHIFT_TUNING_STORAGE names.

    Raises
    ------
    TrainingImpossible
        If the database cannot be opened.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = settings.tuning_storage()
    try:
        if url:
            return optuna.storages.get_storage(url)
        journal.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalFileOpenLock(str(journal))
        return optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
    except Exception as error:  # noqa: BLE001  whatever the database's driver raises
        # not chained: the other error's text may have the whole address in it, with its password
        shown = settings.without_password(url or str(journal))
        raise TrainingImpossible(
            f"the trials cannot be kept in {shown} ({type(error).__name__}); check NIGHTSHIFT_TUNING_STORAGE and that "
            "its database is up, then run this task again"
        ) from None


def open_study(
    storage: optuna.storages.BaseStorage,
    name: str,
    pipeline: Pipeline,
    candidate: Candidate,
    known: Mapping[str, Params],
) -> optuna.Study:
    """Open the study of one family, made where it is not there yet.

    Parameters
    ----------
    known
        Parameters by family that were the best in the champion's run; they are tried second.
    """
    import optuna

    training = pipeline.training
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3) if training.tuning.prune else optuna.pruners.NopPruner()
    study = optuna.create_study(
        storage=storage,
        study_name=f"{name}/{candidate.family}",
        direction="maximize" if training.higher_is_better else "minimize",
        pruner=pruner,
        load_if_exists=True,
    )
    study.enqueue_trial(candidate.defaults, skip_if_exists=True)
    earlier = known.get(candidate.family) if training.tuning.warm_start else None
    if earlier:
        searched = {name: value for name, value in earlier.items() if name in candidate.defaults}
        study.enqueue_trial(candidate.defaults | searched, skip_if_exists=True)
    return study


def ask(study: optuna.Study, seed: int, worker: int, workers: int) -> optuna.Trial:
    """Return the study's next trial; what it draws depends on the seed and the trials before it only.

    Parameters
    ----------
    worker, workers
        The number of the task that asks, and how many search at the same time.
    """
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + workers * len(study.get_trials(deepcopy=False)) + worker,
            n_startup_trials=6,
            constant_liar=workers > 1,
        )
    trial = study.ask()
    trial.set_user_attr("worker", worker)
    return trial


def give_up(study: optuna.Study, worker: int) -> None:
    """End the trials that this worker left unfinished: its process was killed while it fitted them."""
    import optuna

    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        if trial.user_attrs.get("worker") == worker:
            storage, trial_id = study._storage, trial._trial_id
            storage.set_trial_user_attr(trial_id, "error", DIED)
            storage.set_trial_state_values(trial_id, state=optuna.trial.TrialState.FAIL)


#: Why a trial failed whose process is gone.
DIED = "the task's process ended while it was fitted; if memory ran out, lower training.tuning.sample_rows"


def spent_by(study: optuna.Study, worker: int) -> float:
    """Return the seconds that a worker has spent on a study's trials."""
    return sum(
        trial.duration.total_seconds()
        for trial in study.get_trials(deepcopy=False)
        if trial.duration and trial.user_attrs.get("worker") == worker
    )


def progress_of(study: optuna.Study, family: str, limit: int, floor: float | None, sign: float) -> Progress:
    """Return how far a family's search has come.

    Parameters
    ----------
    limit
        Trials that the family may have.
    floor
        The score of a model without features, of which more is better; None where it is not known.
    sign
        1 where more is better of the study's values, else -1.
    """
    from optuna.trial import TrialState

    seconds = best_at = previous_at = gained = dearest = 0.0
    best: float | None = None
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    for trial in ended:
        seconds += trial.duration.total_seconds() if trial.duration else 0.0
        if trial.state != TrialState.COMPLETE or not math.isfinite(trial.value):
            continue
        dearest = max(dearest, trial.duration.total_seconds())
        score = sign * trial.value
        if best is None or score > best:
            before = floor if best is None else best
            gained = score - before if before is not None else abs(score)
            best, best_at, previous_at = score, seconds, best_at
    done = len(ended) >= limit or failure_of(study) is not None
    return Progress(family, len(ended), seconds, best, best_at, previous_at, gained, dearest, done)


def failure_of(study: optuna.Study) -> str | None:
    """Return why a family is not tried any more, or None where nothing is wrong with it."""
    from optuna.trial import TrialState

    in_a_row = 0
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.FAIL:
            in_a_row += 1
            error = trial.user_attrs.get("error", "it failed")
            if error == DIED or in_a_row >= MAX_FAILURES:
                return f"left out after trial {trial.number}: {error}"
        elif trial.state.is_finished():
            in_a_row = 0
    return None


def best_trial(study: optuna.Study, sign: float) -> optuna.trial.FrozenTrial | None:
    """Return the completed trial with the best finite score; of equal ones the first."""
    from optuna.trial import TrialState

    complete = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.value is not None and math.isfinite(trial.value)
    ]
    return max(complete, key=lambda trial: (sign * trial.value, -trial.number), default=None)


def told(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Return what is kept of a trial when the search is over, as JSON types."""
    return {
        "number": trial.number,
        "params": trial.params | trial.user_attrs.get("rounds", {}),
        "state": trial.state.name.lower(),
        "score": trial.value if trial.state.name == "COMPLETE" else None,
        "fold_scores": trial.user_attrs.get("fold_scores", []),
        "seconds": trial.duration.total_seconds() if trial.duration else None,
        "worker": trial.user_attrs.get("worker"),
        "error": trial.user_attrs.get("error"),
    }
