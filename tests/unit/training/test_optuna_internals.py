"""The members of Optuna that its documentation does not promise: all in one module, and still there."""

from __future__ import annotations

import inspect
import re
from typing import Any

import optuna
import pytest

from include.core import settings
from include.training import optuna_internals

MODULE = "include/training/optuna_internals.py"
PRIVATE = re.compile(r"\b(_storage|_study_id|_trial_id|get_storage)\b")


def changed_members(study: Any, storages: Any, version: str) -> list[str]:
    """Return a sentence for each member that `optuna_internals` uses and this version of Optuna changed."""
    storage, trial = getattr(study, "_storage", None), study.ask()
    used = {
        "Study._storage": storage is not None,
        "Study._study_id": isinstance(getattr(study, "_study_id", None), int),
        "FrozenTrial._trial_id": isinstance(getattr(optuna.trial.create_trial(value=0.0), "_trial_id", None), int),
        "BaseStorage.create_new_trial(study_id, template_trial)": _takes(
            storage, "create_new_trial", "study_id", "template_trial"
        ),
        "BaseStorage.get_trial(trial_id)": _takes(storage, "get_trial", "trial_id"),
        "BaseStorage.set_trial_user_attr(trial_id, key, value)": _takes(
            storage, "set_trial_user_attr", "trial_id", "key", "value"
        ),
        "Trial(study, trial_id)": list(inspect.signature(type(trial)).parameters) == ["study", "trial_id"],
        "optuna.storages.get_storage(storage)": _takes(storages, "get_storage", "storage"),
    }
    return [
        f"Optuna {version} changed {member}, which only {MODULE} uses: correct that module, or keep the earlier "
        "version of Optuna in requirements.in"
        for member, found in used.items()
        if not found
    ]


def _takes(owner: Any, name: str, *parameters: str) -> bool:
    member = getattr(owner, name, None)
    return member is not None and list(inspect.signature(member).parameters) == list(parameters)


def test_the_installed_optuna_has_the_members_that_we_use() -> None:
    """An update of Optuna that changed one fails here, with the module to correct, and not in a nightly run."""
    changed = changed_members(optuna.create_study(), optuna.storages, optuna.__version__)

    assert not changed, "\n".join(changed)


def test_a_changed_member_is_named_with_the_version_and_the_module() -> None:
    """Whoever updates Optuna reads what changed and where to correct it."""

    class Changed:
        """A study of a later Optuna."""

        _study_id = 0

        def __init__(self) -> None:
            self.trial = optuna.create_study().ask()

        def ask(self) -> optuna.Trial:
            """Return a trial."""
            return self.trial

    first, *others = changed_members(Changed(), optuna.storages, "9.0")

    assert first == (
        "Optuna 9.0 changed Study._storage, which only include/training/optuna_internals.py uses: correct that module, "
        "or keep the earlier version of Optuna in requirements.in"
    )
    assert len(others) == 3


def test_no_other_module_uses_them() -> None:
    """A second place would be forgotten when Optuna changes."""
    root = settings.root()
    modules = [path for path in root.glob("include/**/*.py") if "optuna" in path.read_text(encoding="utf-8")]
    using = [str(path.relative_to(root)) for path in modules if PRIVATE.search(path.read_text(encoding="utf-8"))]

    assert using == [MODULE]


def test_a_trial_has_its_attributes_from_the_moment_it_exists() -> None:
    """A process that is killed right after it began a trial leaves no trial without its worker."""
    study = optuna.create_study()
    seen: list[dict[str, Any]] = []

    def make_sampler(number: int) -> optuna.samplers.BaseSampler:
        seen.append(study.get_trials()[number].user_attrs)
        return optuna.samplers.RandomSampler(seed=number)

    trial = optuna_internals.begin_trial(study, {"worker": 1}, make_sampler)

    assert seen == [{"worker": 1}]
    assert trial.number == 0


def test_an_attribute_is_set_on_a_trial_of_another_process() -> None:
    """The task that takes over knows the trial only as a record."""
    study = optuna.create_study()
    study.ask()

    optuna_internals.set_user_attr(study, study.get_trials()[0], "given_up", True)

    assert study.get_trials()[0].user_attrs == {"given_up": True}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
