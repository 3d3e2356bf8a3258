"""The only module that uses members of Optuna beyond its documented interface.

tests/unit/training/test_optuna_internals.py fails on a version of Optuna that changed one of them. What the documented
interface lacks: a trial that has its attributes from the moment it exists, an attribute of a trial whose process is
gone, and a cache in front of a database that the caller has configured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage, RDBStorage
    from optuna.trial import FrozenTrial


def begin_trial(
    study: optuna.Study, user_attrs: Mapping[str, Any], make_sampler: Callable[[int], BaseSampler]
) -> optuna.Trial:
    """Return a new running trial that has its attributes already, whenever the process is killed.

    Parameters
    ----------
    make_sampler
        Returns the sampler that draws the trial's parameters, from the trial's number in the study.
    """
    template = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, user_attrs=dict(user_attrs))
    trial_id = study._storage.create_new_trial(study._study_id, template_trial=template)
    study.sampler = make_sampler(study._storage.get_trial(trial_id).number)
    return optuna.trial.Trial(study, trial_id)


def set_user_attr(study: optuna.Study, trial: FrozenTrial, name: str, value: Any) -> None:
    """Set an attribute of a trial that another process may have begun."""
    study._storage.set_trial_user_attr(trial._trial_id, name, value)


def cache_reads(database: RDBStorage) -> BaseStorage:
    """Return the database behind Optuna's cache of finished trials, as a URL would be opened."""
    return optuna.storages.get_storage(database)
