"""A candidate: one family of models as the search sees it, with its parameters, encoder and estimator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from include.evaluation.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import optuna

    from include.config.training import Training
    from include.evaluation.metric_definitions.definition import Loss
    from include.training.candidates.watch import Watch
    from include.training.columns import FeatureColumns

Params = dict[str, Any]
Encoding = Literal["scaled", "ordinal", "coded", "none"]

#: Boosting stops after so many rounds without improvement.
PATIENCE_ROUNDS = 40
#: No learning rate of the search space needs more rounds.
MAX_ROUNDS = 3000


@dataclass(frozen=True)
class Candidate:
    """One family of models, for the task and metric of a pipeline.

    Attributes
    ----------
    encoding
        The encoder that its estimator needs, see `include.training.candidates.encoding`.
    defaults
        Parameters of the first trial: cheap, and known to work without a search.
    suggest
        Draws parameters for a trial, with the same names as the defaults.
    estimator
        Returns an unfitted estimator for columns, `training`, parameters and threads.
    rounds
        The parameter that early stopping sets, such as n_estimators; None if the family does not stop early.
    fit_watched
        Fits an estimator on x, y and weights (or None), stops early as the watch says, and returns the best number of
        rounds, with which the estimator then predicts.
    needs_codes
        Whether class labels must be 0 to n_classes - 1.
    max_rows
        Fit on a random sample of at most so many rows; None for all rows.
    """

    family: str
    encoding: Encoding
    defaults: Params
    suggest: Callable[[optuna.Trial], Params]
    estimator: Callable[[FeatureColumns, Training, Params, int], Any]
    rounds: str | None = None
    fit_watched: Callable[[Any, Any, np.ndarray, np.ndarray | None, Watch], int] | None = None
    needs_codes: bool = False
    max_rows: int | None = None

    @property
    def searches(self) -> bool:
        """Whether the family has a parameter to search."""
        return bool(self.defaults)

    def on_at_most(self, rows: int | None) -> Candidate:
        """Return the candidate with a lower limit of rows to fit on; None changes nothing."""
        if rows is None:
            return self
        return replace(self, max_rows=rows if self.max_rows is None else min(rows, self.max_rows))


def estimator_params(params: Params) -> Params:
    """Return the parameters that go to the estimator as they are: all but those that the family interprets itself."""
    return {name: value for name, value in params.items() if name not in ("categories", "minimise")}


def loss_of(training: Training) -> Loss:
    """Return the loss whose minimum the metric asks for: the mean, the median or another quantile of the label."""
    return Metric.of(training).definition.loss


def suggest_loss(trial: optuna.Trial, training: Training) -> Params:
    """Draw the loss to minimise where the metric is the absolute error; draw nothing for other metrics.

    If noise is roughly symmetric, the mean is the better estimate of the median; with a long tail it is not.
    """
    if loss_of(training) != "absolute":
        return {}
    return {"minimise": trial.suggest_categorical("minimise", ["absolute", "squared"])}


def loss_defaults(training: Training) -> Params:
    """Return the default of the parameter that `suggest_loss` draws."""
    return {"minimise": "absolute"} if loss_of(training) == "absolute" else {}


def loss_to_minimise(training: Training, params: Params) -> Loss:
    """Return the loss that an estimator minimises."""
    return params.get("minimise", loss_of(training))
