"""The challenger: what the search found, put together, calibrated and fitted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.training.folds import Folds

#: Draws by which noise is judged when the challenger is put together.
ROUNDS = 500


@dataclass(frozen=True)
class TunedCandidate:
    """One family as the search left it.

    Attributes
    ----------
    predictions
        Of the folds' held-out rows, of shape (n_validated,) or (n_validated, n_classes).
    max_rows
        Rows that it was fitted on at most; None for all.
    """

    family: str
    params: dict[str, Any]
    fold_rounds: list[int] | None
    score: float
    predictions: np.ndarray
    max_rows: int | None = None


@dataclass(frozen=True)
class Member:
    """A family that the challenger consists of, how much it weighs, and the rows that it is fitted on at most."""

    family: str
    weight: float
    params: dict[str, Any]
    fold_rounds: list[int] | None
    score: float
    max_rows: int | None = None


@dataclass(frozen=True)
class ChallengerSpec:
    """What the challenger will be.

    Attributes
    ----------
    tuning_score
        Of the best single family, over the folds.
    calibration
        How probabilities are calibrated: none, sigmoid or isotonic.
    threshold
        The probability from which a row counts as positive; None but for binary tasks.
    classes
        The labels of a multi-class task, in the order of its probabilities.
    reasons
        A sentence for each choice.
    """

    members: list[Member]
    tuning_score: float
    calibration: str
    threshold: dict[str, Any] | None
    classes: list[Any] | None
    features: list[str]
    reasons: list[str]

    @property
    def weights(self) -> dict[str, float]:
        """How much each family weighs."""
        return {member.family: member.weight for member in self.members}

    @property
    def family(self) -> str:
        """The families' names, the weightiest first."""
        return " + ".join(member.family for member in self.members)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self) | {"family": self.family}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> ChallengerSpec:
        """Make a choice of what `to_json` gave, whatever else is beside it."""
        own = {field.name: fields[field.name] for field in dataclass_fields(cls)}
        return cls(**own | {"members": [Member(**member) for member in fields["members"]]})


def choose_challenger(pipeline: Pipeline, folds: Folds, tuned: list[TunedCandidate]) -> ChallengerSpec:
    """Choose a single family, or a few of them weighed, with calibration and threshold, by the folds alone.

    Nothing is looked at but predictions of rows that lay after those that were learned from, all of them
    before the holdout.

    Parameters
    ----------
    tuned
        The families that have a result, the simple ones first.
    """
    from include.training.calibrate import calibrate_predictions, choose_calibration
    from include.training.combine import choose_weights, weighted_mean
    from include.training.single import choose_single
    from include.training.threshold import choose_threshold

    training = pipeline.training
    noise = {"rounds": ROUNDS, "confidence": pipeline.gate.confidence, "seed": training.seed}
    order = sorted(tuned, key=lambda each: -each.score if training.higher_is_better else each.score)
    by_family = {each.family: each for each in order}
    y, fold, days = folds.y[folds.validated], folds.fold_of, folds.days
    weights, reasons = {order[0].family: 1.0}, []
    if training.ensemble and len(order) > 1:
        predictions = {family: each.predictions for family, each in by_family.items()}
        combination = choose_weights(predictions, y, fold, days, folds.measure, **noise)
        weights = combination.weights
        reasons.append(combination.reason)
    if len(weights) == 1:
        predictions = {each.family: each.predictions for each in tuned}
        single, reason = choose_single(predictions, *weights, y, fold, days, folds.measure, **noise)
        weights = {single: 1.0}
        reasons += [reason] if reason else []
    members = [
        Member(family, weight, each.params, each.fold_rounds, each.score, each.max_rows)
        for family, weight in sorted(weights.items(), key=lambda item: -item[1])
        for each in [by_family[family]]
    ]
    predicted = weighted_mean({each.family: each.predictions for each in tuned}, weights)
    method, threshold = "none", None
    if training.classifies and training.calibrate:
        calibration = choose_calibration(y, predicted, fold, days, folds.measure, **noise)
        method = calibration.method
        reasons.append(calibration.reason)
    if training.task == "binary":
        chosen = choose_threshold(training.threshold, y, calibrate_predictions(method, y, predicted))
        threshold = asdict(chosen)
        reasons.append(chosen.reason)
    return ChallengerSpec(members, order[0].score, method, threshold, folds.classes, folds.columns.all, reasons)


def fit_challenger(
    pipeline: Pipeline, rows: pd.DataFrame, chosen: ChallengerSpec, y: np.ndarray, validated: np.ndarray, threads: int
) -> Model:
    """Fit what was chosen on all rows to learn from, as one scikit-learn pipeline over the raw feature frame.

    Parameters
    ----------
    y, validated
        Labels and predictions of the folds' held-out rows, which the models that made them had not seen: the
        calibrator learns from them.
    """
    from include.training.calibrate import calibrated
    from include.training.combine import build_model
    from include.training.fit import fit_model

    fitted = [
        (
            member.family,
            member.weight,
            fit_model(pipeline, rows, member.family, member.params, threads, member.max_rows),
        )
        for member in chosen.members
    ]
    model = build_model(fitted, pipeline.training.task)
    if chosen.calibration == "none":
        return model
    return calibrated(model, chosen.calibration, y, validated, chosen.classes)
