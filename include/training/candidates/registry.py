"""Which families a pipeline lets compete."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, get_args

from include.config.training import Extra
from include.core.errors import ConfigError
from include.training.candidates import simple
from include.training.candidates.catboost_trees import catboost
from include.training.candidates.histogram_trees import hist_gradient_boosting
from include.training.candidates.lightgbm_trees import lightgbm
from include.training.candidates.own import own_candidate
from include.training.candidates.xgboost_trees import xgboost

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.config.training import Training
    from include.training.candidates.candidate import Candidate

#: In the order of their first trials: what is quick to fit comes first.
FAMILIES: dict[str, Callable[[Training], Candidate]] = {
    "baseline": simple.baseline,
    "linear": simple.linear,
    "extra_trees": simple.extra_trees,
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "hist_gradient_boosting": hist_gradient_boosting,
    "catboost": catboost,
}


def candidates_of(training: Training) -> dict[str, Candidate]:
    """Return the families by name, in the order of their first trials: the built-in ones, then the team's own.

    Raises
    ------
    ConfigError
        If an extra family's package is not installed, or an estimator of the team's own cannot be used.
    """
    for family in training.candidates:
        if family in get_args(Extra) and find_spec(family) is None:
            raise ConfigError(
                f"training.candidates: {family} is not installed; run `make extras`, or name another family"
            )
    return {family: make(training) for family, make in FAMILIES.items() if family in training.candidates} | {
        name: own_candidate(name, own, training) for name, own in training.own_candidates.items()
    }
