"""The schema of pipeline.yaml's section `training`."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from include.config.section import MAX_DAYS, Name, Section
from include.core import settings
from include.core.suggestions import unknown_name

Task = Literal["binary", "multiclass", "regression", "forecasting"]


def _list_families(folder: str) -> list[str]:
    """Return the names of a folder's modules without importing them, since Airflow reads this while it parses dags/."""
    path = settings.root() / "include" / "training" / "candidates" / folder
    return sorted(module.name for module in pkgutil.iter_modules([str(path)]))


#: Model families of every installation, and those that requirements-extras.txt installs.
BUILT_IN, EXTRAS = _list_families("built_in"), _list_families("extras")

if TYPE_CHECKING:  # the names are known only once the folders were read
    Family: TypeAlias = str
else:
    Family = Literal[tuple(BUILT_IN + EXTRAS)]

#: A module and a name in it.
_IMPORT_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
_METRICS_OF_VALUES = ("mae", "rmse", "mape", "wape", "r2", "pinball")

#: The names of the metrics by task; `include.evaluation.metric_definitions` defines them.
METRICS: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "average_precision", "log_loss", "brier", "calibration_error", "f1"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr"),
    "regression": _METRICS_OF_VALUES,
    "forecasting": _METRICS_OF_VALUES,
}


class Parameter(Section):
    """One dimension of a search space: choices, or a range, which is integer if both ends are."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(default=False, description="Search the range on a logarithmic scale.")
    choices: list[str | int | float | bool | None] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check_range_or_choices(self) -> Parameter:
        ranged = self.low is not None and self.high is not None
        if ranged == (self.choices is not None) or (self.low is None) != (self.high is None):
            raise ValueError("a parameter is searched between `low` and `high`, or among `choices`")
        if self.low is not None and self.high is not None:
            if self.low > self.high:
                raise ValueError(f"low ({self.low}) is above high ({self.high})")
            if self.log and self.low <= 0:
                raise ValueError(f"log needs a range above 0, and low is {self.low}")
        return self


class OwnCandidate(Section):
    """A scikit-learn estimator of the team's own and its search space."""

    estimator: str = Field(
        pattern=_IMPORT_PATH,
        description="Import path of the class, such as sklearn.neighbors.KNeighborsClassifier.",
    )
    params: dict[str, str | int | float | bool | None] = Field(default={}, description="Fixed parameters.")
    search: dict[str, Parameter] = Field(default={})
    preprocess: Literal["scaled", "ordinal"] = Field(
        default="scaled",
        description="scaled: impute, scale, one-hot encode categories; ordinal: keep numbers, encode categories as "
        "codes.",
    )
    trusted_types: list[Annotated[str, Field(pattern=_IMPORT_PATH)]] = Field(
        default=[],
        description="Import paths of further classes and functions that a fitted estimator holds; a model file is "
        "loaded only if each of its types is known.",
    )

    @model_validator(mode="after")
    def _check_overlap(self) -> OwnCandidate:
        both = sorted(self.params.keys() & self.search.keys())
        if both:
            raise ValueError(f"params and search both name {', '.join(both)}")
        return self


class Threshold(Section):
    """How the probability threshold of the positive class is chosen; by default it maximizes F1."""

    precision: float | None = Field(
        default=None, gt=0, lt=1, description="Choose the lowest threshold with at least this precision."
    )
    false_positive_cost: float | None = Field(default=None, gt=0)
    false_negative_cost: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check_one_rule(self) -> Threshold:
        costs = [self.false_positive_cost, self.false_negative_cost]
        if costs.count(None) == 1:
            raise ValueError("false_positive_cost and false_negative_cost belong together")
        if self.precision is not None and None not in costs:
            raise ValueError("a threshold is chosen by precision or by costs, not by both")
        return self


class Tuning(Section):
    """The limits of a run's hyperparameter search."""

    seconds: int = Field(default=60, ge=1, description="Seconds of search for all candidates together.")
    trials: int | None = Field(default=None, ge=1, description="Maximum number of trials of a candidate.")
    folds: int = Field(default=3, ge=2, le=10)
    sample_rows: int = Field(
        default=50_000, ge=100, description="Maximum number of rows of a fold that a trial fits on."
    )
    parallel: int = Field(default=1, ge=1, le=64, description="Number of tasks that search at the same time.")
    prune: bool = Field(default=True, description="Stop a trial that is clearly worse after a fold.")
    warm_start: bool = Field(default=True, description="Try the champion's hyperparameters first.")


class Training(Section):
    """What a model learns, from which rows, and which candidates are tried."""

    task: Task
    metric: str = Field(description="The metric that tuning optimizes and the gate compares.")
    quantile: float = Field(default=0.5, gt=0, lt=1, description="Quantile of the metric pinball; 0.5 is the median.")
    horizon_days: int | None = Field(
        default=None,
        ge=1,
        le=MAX_DAYS,
        description="For forecasting: days from the prediction time to the last value of its label.",
    )
    window_days: int = Field(default=365, ge=2, description="Days of history for training and holdout.")
    holdout_days: int = Field(default=28, ge=1, description="Last labelled days, which are held out for the gate.")
    gap_days: int = Field(
        default=1, ge=0, description="Days until a label is known; left out between training and holdout."
    )
    group: str | None = Field(
        default=None, description="Column whose values are never on both sides of a split, such as a patient id."
    )
    class_weight: Literal["balanced"] | None = Field(
        default=None,
        description="balanced: fit as if all classes were equally frequent; metrics are not weighted.",
    )
    threshold: Threshold = Threshold()
    candidates: list[Family] = Field(default=BUILT_IN)
    own_candidates: dict[Name, OwnCandidate] = Field(default={})
    ensemble: bool = Field(default=True, description="Use a weighted ensemble of the best candidates if it is better.")
    calibrate: bool = Field(default=True, description="Calibrate probabilities if that is better.")
    deterministic: bool = Field(
        default=False, description="Same data, code and seed give bit-identical predictions; needs tuning.trials."
    )
    tuning: Tuning = Tuning()
    seed: int = Field(default=0, ge=0)

    @property
    def families(self) -> list[str]:
        """The names of all candidates, the built-in ones first."""
        return [*self.candidates, *self.own_candidates]

    @property
    def classifies(self) -> bool:
        """Whether the label is a class, and a prediction a probability."""
        return self.task in ("binary", "multiclass")

    @model_validator(mode="after")
    def _check_combination(self) -> Training:
        known = METRICS[self.task]
        if self.metric not in known:
            raise ValueError(f"metric: {unknown_name('metric', self.metric, list(known))}")
        if self.metric == "calibration_error":
            raise ValueError(
                "metric: calibration_error is only reported, since a constant guess has almost none; tune for log_loss "
                "or brier"
            )
        if not self.families:
            raise ValueError("candidates: at least one is needed, found none")
        if len(set(self.families)) != len(self.families):
            raise ValueError("candidates names a family twice")
        if self.holdout_days + self.gap_days >= self.window_days:
            raise ValueError(
                f"holdout_days ({self.holdout_days}) and gap_days ({self.gap_days}) leave nothing of "
                f"window_days ({self.window_days}) to learn from"
            )
        if self.deterministic and self.tuning.trials is None:
            raise ValueError(
                "deterministic needs tuning.trials: the number of trials that fit into a time differs between runs"
            )
        if self.deterministic and self.tuning.parallel > 1:
            raise ValueError(
                "deterministic needs tuning.parallel to be 1: the order in which tasks end differs between runs"
            )
        return self

    @model_validator(mode="after")
    def _check_task(self) -> Training:
        if (self.task == "forecasting") != (self.horizon_days is not None):
            raise ValueError("horizon_days is needed for the task forecasting, and for no other")
        if self.horizon_days is not None and self.gap_days < self.horizon_days:
            raise ValueError(
                f"gap_days ({self.gap_days}) is less than horizon_days ({self.horizon_days}), and a label is not known "
                "before its horizon has passed"
            )
        if self.class_weight and not self.classifies:
            raise ValueError(f"class_weight is for classes, and the task is {self.task}")
        return self
