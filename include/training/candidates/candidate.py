"""What a family of models is to the search: its parameters, its encoder and its estimator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import optuna

    from include.config.training import Training
    from include.training.candidates.watch import Watch
    from include.training.columns import FeatureColumns

Params = dict[str, Any]
Encoding = Literal["scaled", "ordinal", "coded", "none"]
Loss = Literal["log", "squared", "absolute", "quantile"]

#: Rounds without a better value after which a family that grows round by round stops.
PATIENCE_ROUNDS = 40
#: More rounds than this are never needed at the learning rates that are searched.
MAX_ROUNDS = 3000


@dataclass(frozen=True)
class Candidate:
    """One family of models.

    Attributes
    ----------
    encoding
        Which encoder its estimator needs, see `include.training.candidates.encoding`.
    defaults
        Parameters of the first trial: cheap, and known to work before anything was searched.
    suggest
        Draws parameters for a trial, by the same names as the defaults.
    estimator
        Makes an unfitted estimator of columns, `training`, parameters and threads.
    rounds
        The parameter that early stopping decides, such as n_estimators; None where there is none.
    max_rounds
        The rounds that an estimator grows at most, where its parameters do not say.
    fit_watched
        Fits an estimator on x, y and weights (or None), stops early by a watch, and returns the best number of
        rounds. The estimator then predicts with these rounds.
    needs_codes
        Whether the classes must be 0 to n_classes - 1.
    max_rows
        Fit on a draw of at most so many rows; None for all.
    """

    family: str
    encoding: Encoding
    defaults: Params
    suggest: Callable[[optuna.Trial], Params]
    estimator: Callable[[FeatureColumns, Training, Params, int], Any]
    rounds: str | None = None
    max_rounds: int = 0
    fit_watched: Callable[[Any, Any, np.ndarray, np.ndarray | None, Watch], int] | None = None
    needs_codes: bool = False
    max_rows: int | None = None

    @property
    def searches(self) -> bool:
        """Whether there is a parameter to search."""
        return bool(self.defaults)

    def on_at_most(self, rows: int | None) -> Candidate:
        """Return the family as it is fitted on at most so many rows; None for no further limit."""
        if rows is None:
            return self
        return replace(self, max_rows=rows if self.max_rows is None else min(rows, self.max_rows))


def estimator_params(params: Params) -> Params:
    """Return the parameters that an estimator takes by their names: all but those that a family reads itself."""
    return {name: value for name, value in params.items() if name not in ("categories", "minimise")}


def loss_of(training: Training) -> Loss:
    """Return the loss whose minimum the metric asks for: the mean, the median or another quantile of the label."""
    if training.classifies:
        return "log"
    if training.metric == "pinball":
        return "quantile"
    return "absolute" if training.metric in ("mae", "wape", "mape") else "squared"


def suggest_loss(trial: optuna.Trial, training: Training) -> Params:
    """Draw what a family minimises, where the metric is the absolute error; nothing elsewhere.

    With noise that is about symmetric the mean is the better estimate of the median, and with a long tail it is not.
    """
    if loss_of(training) != "absolute":
        return {}
    return {"minimise": trial.suggest_categorical("minimise", ["absolute", "squared"])}


def loss_defaults(training: Training) -> Params:
    """Return the parameter of `suggest_loss` for the first trial."""
    return {"minimise": "absolute"} if loss_of(training) == "absolute" else {}


def loss_to_minimise(training: Training, params: Params) -> Loss:
    """Return what an estimator is to minimise."""
    return params.get("minimise", loss_of(training))
