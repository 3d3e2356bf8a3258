"""The built-in families, and which of them a pipeline lets compete."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from include.config.training import BUILT_IN, EXTRAS
from include.core.errors import ConfigError
from include.training.candidates.own import own_candidate

if TYPE_CHECKING:
    from include.config.training import Training
    from include.training.candidates.candidate import Candidate
    from include.training.candidates.family import Family


def _load_families() -> dict[str, Family]:
    """Return the families that pipeline.yaml can name, in the order of their first trials."""
    folders = {"built_in": BUILT_IN, "extras": EXTRAS}
    modules = [import_module(f"{__package__}.{folder}.{name}") for folder, names in folders.items() for name in names]
    families: list[Family] = [module.FAMILY for module in modules]
    return {family.name: family for family in sorted(families, key=lambda family: family.first_trial)}


FAMILIES = _load_families()


def candidates_of(training: Training) -> dict[str, Candidate]:
    """Return a pipeline's candidates by name, in the order of their first trials: built-in ones, then the team's own.

    Raises
    ------
    ConfigError
        If an extra family's package is not installed, or an estimator of the team's own cannot be used.
    """
    for name in training.candidates:
        package = FAMILIES[name].package
        if name in EXTRAS and package and find_spec(package) is None:
            raise ConfigError(
                f"training.candidates: {name} is not installed; run `make extras`, or name another family"
            )
    built_in = {name: family.make(training) for name, family in FAMILIES.items() if name in training.candidates}
    return built_in | {name: own_candidate(name, own, training) for name, own in training.own_candidates.items()}


def family_of(estimator: object) -> Family | None:
    """Return the built-in family whose library an estimator comes from; None for scikit-learn and other libraries."""
    package = type(estimator).__module__.partition(".")[0]
    return next((family for family in FAMILIES.values() if family.package == package), None)
