"""The schema of pipeline.yaml's section `training`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from include.config.section import MAX_DAYS, Name, Section
from include.core.suggestions import unknown_name

Task = Literal["binary", "multiclass", "regression", "forecasting"]
#: The families that every installation has.
BuiltIn = Literal["baseline", "linear", "extra_trees", "lightgbm", "hist_gradient_boosting"]
#: The families that requirements-extras.txt installs.
Extra = Literal["xgboost", "catboost"]
Family = Literal[BuiltIn, Extra]

#: A module, and a name in it.
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
    """One dimension of a search space: a range, whole where both ends are, or choices."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(default=False, description="Search the range by its logarithm.")
    choices: list[str | int | float | bool | None] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Parameter:
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
    """A scikit-learn estimator of the team's own choice, and its search space."""

    estimator: str = Field(
        pattern=_IMPORT_PATH,
        description="Import path of the class, such as sklearn.neighbors.KNeighborsClassifier.",
    )
    params: dict[str, str | int | float | bool | None] = Field(default={}, description="Fixed parameters.")
    search: dict[str, Parameter] = Field(default={})
    preprocess: Literal["scaled", "ordinal"] = Field(
        default="scaled",
        description="scaled: imputed, scaled, categories one-hot; ordinal: numbers as they are, categories as codes.",
    )
    trusted_types: list[Annotated[str, Field(pattern=_IMPORT_PATH)]] = Field(
        default=[],
        description="Import paths of further classes and functions that a fitted one holds; a model file is loaded "
        "only if each of its types is known.",
    )

    @model_validator(mode="after")
    def _is_apart(self) -> OwnCandidate:
        both = sorted(self.params.keys() & self.search.keys())
        if both:
            raise ValueError(f"params and search both name {', '.join(both)}")
        return self


class Threshold(Section):
    """How the probability is chosen from which a row counts as positive; by default F1 is the greatest."""

    precision: float | None = Field(default=None, gt=0, lt=1, description="The lowest with at least this precision.")
    false_positive_cost: float | None = Field(default=None, gt=0)
    false_negative_cost: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _is_one_rule(self) -> Threshold:
        costs = [self.false_positive_cost, self.false_negative_cost]
        if costs.count(None) == 1:
            raise ValueError("false_positive_cost and false_negative_cost belong together")
        if self.precision is not None and None not in costs:
            raise ValueError("a threshold is chosen by precision or by costs, not by both")
        return self


class Tuning(Section):
    """How much searching a run may do."""

    seconds: int = Field(default=60, ge=1, description="Seconds of search, which the candidates share.")
    trials: int | None = Field(default=None, ge=1, description="Stop a candidate after so many trials.")
    folds: int = Field(default=3, ge=2, le=10)
    sample_rows: int = Field(default=50_000, ge=100, description="Rows of a fold that a trial fits on.")
    parallel: int = Field(default=1, ge=1, le=64, description="Tasks that search at the same time.")
    prune: bool = Field(default=True, description="Stop a trial that falls behind after a fold.")
    warm_start: bool = Field(default=True, description="Try the champion's parameters early.")


class Training(Section):
    """What is learned, from which rows, by which families of models."""

    task: Task
    metric: str = Field(description="The metric that is tuned for and that the gate compares.")
    quantile: float = Field(default=0.5, gt=0, lt=1, description="What pinball asks for; 0.5 is the median.")
    horizon_days: int | None = Field(
        default=None,
        ge=1,
        le=MAX_DAYS,
        description="For forecasting: days from the question to the last value of its label.",
    )
    window_days: int = Field(default=365, ge=2, description="Days of history that a model learns from.")
    holdout_days: int = Field(default=28, ge=1, description="Last labelled days, kept for the gate.")
    gap_days: int = Field(default=1, ge=0, description="Days until a label is known; left out between.")
    group: str | None = Field(
        default=None, description="Column whose values are never on both sides of a split, such as a patient."
    )
    class_weight: Literal["balanced"] | None = Field(
        default=None,
        description="balanced: fit as if classes were equally frequent; nothing is measured so.",
    )
    threshold: Threshold = Threshold()
    candidates: list[Family] = Field(default=list(get_args(BuiltIn)))
    own_candidates: dict[Name, OwnCandidate] = Field(default={})
    ensemble: bool = Field(default=True, description="Weigh the best candidates together where that is better.")
    calibrate: bool = Field(default=True, description="Calibrate probabilities where that is better.")
    deterministic: bool = Field(
        default=False, description="Same data, code and seed, same predictions to the last bit; needs tuning.trials."
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
    def _fits_together(self) -> Training:
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
                "deterministic needs tuning.trials: how many trials fit into seconds is never the same twice"
            )
        if self.deterministic and self.tuning.parallel > 1:
            raise ValueError(
                "deterministic needs tuning.parallel to be 1: which task ends first is never the same twice"
            )
        return self

    @model_validator(mode="after")
    def _fits_the_task(self) -> Training:
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
