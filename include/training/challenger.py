"""The challenger: the best candidates of the search, weighted, calibrated and fitted."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING, Any, Self

from include.core.json_document import JsonDocument
from include.training.candidates import Params  # noqa: TC001  pydantic reads the fields
from include.training.threshold import ChosenThreshold, choose_threshold

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.core.json_value import JsonObject
    from include.training.folds import Folds

#: Bootstrap resamples for every comparison on the folds.
ROUNDS = 500


@dataclass(frozen=True)
class TunedCandidate:
    """The best trial of one family.

    Attributes
    ----------
    fold_rounds
        Best number of rounds on each fold, for families that stop early.
    score
        Mean of the metric over the folds.
    predictions
        Predictions of the folds' validation rows, of shape (n_validated,) or (n_validated, n_classes).
    max_rows
        Maximum number of rows that it was fitted on; None for all rows.
    """

    family: str
    params: Params
    fold_rounds: list[int] | None
    score: float
    predictions: np.ndarray
    max_rows: int | None = None


@dataclass(frozen=True)
class Member:
    """One family of the challenger, with its weight and the maximum number of rows to fit it on."""

    family: str
    weight: float
    params: Params
    fold_rounds: list[int] | None
    score: float
    max_rows: int | None = None


@dataclass(frozen=True)
class ChallengerSpec(JsonDocument):
    """Everything that determines the challenger, before it is fitted on all training rows.

    Attributes
    ----------
    tuning_score
        Mean of the metric over the folds, of the best single family.
    calibration
        Method of calibration: none, sigmoid or isotonic.
    threshold
        Probability at or above which a row counts as positive; None unless the task is binary.
    classes
        Labels of a multiclass task, in the order of the probability columns.
    reasons
        One sentence for each choice.
    """

    members: list[Member]
    tuning_score: float
    calibration: str
    threshold: ChosenThreshold | None
    classes: list[Any] | None
    features: list[str]
    reasons: list[str]

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each family."""
        return {member.family: member.weight for member in self.members}

    @property
    def family(self) -> str:
        """The names of the families, the one with the greatest weight first."""
        return " + ".join(member.family for member in self.members)

    def to_json(self) -> JsonObject:
        """Return the fields as JSON types, with the names of the families as `family`."""
        return super().to_json() | {"family": self.family}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Make a spec from the result of `to_json`, or of a document that has its fields among others."""
        own = {field.name for field in dataclass_fields(cls)}
        return super().from_json({name: each for name, each in document.items() if name in own})


def choose_challenger(pipeline: Pipeline, folds: Folds, tuned: list[TunedCandidate]) -> ChallengerSpec:
    """Choose one family or a weighted mean of several, the calibration and the threshold.

    Every choice uses out-of-fold predictions only: each predicted row is later than the rows its model was fitted on,
    and all of them are earlier than the holdout.

    Parameters
    ----------
    tuned
        The families with a completed trial, the simple ones first.
    """
    from include.training.calibrate import calibrate_predictions, choose_calibration
    from include.training.combine import choose_weights, weighted_mean
    from include.training.single import choose_single

    training = pipeline.training
    confidence, seed = pipeline.gate.confidence, training.seed
    order = sorted(tuned, key=lambda each: -each.score if folds.measure.higher_is_better else each.score)
    by_family = {each.family: each for each in order}
    y, fold, days = folds.y[folds.validated], folds.fold_of, folds.days
    weights, reasons = {order[0].family: 1.0}, []
    if training.ensemble and len(order) > 1:
        predictions = {family: each.predictions for family, each in by_family.items()}
        combination = choose_weights(
            predictions, y, fold, days, folds.measure, rounds=ROUNDS, confidence=confidence, seed=seed
        )
        weights = combination.weights
        reasons.append(combination.reason)
    if len(weights) == 1:
        [best] = weights
        predictions = {each.family: each.predictions for each in tuned}
        single, reason = choose_single(
            predictions, best, y, fold, days, folds.measure, rounds=ROUNDS, confidence=confidence, seed=seed
        )
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
        calibration = choose_calibration(
            y, predicted, fold, days, folds.measure, rounds=ROUNDS, confidence=confidence, seed=seed
        )
        method = calibration.method
        reasons.append(calibration.reason)
    if training.task == "binary":
        threshold = choose_threshold(training.threshold, y, calibrate_predictions(method, y, predicted))
        reasons.append(threshold.reason)
    return ChallengerSpec(
        members=members,
        tuning_score=order[0].score,
        calibration=method,
        threshold=threshold,
        classes=folds.classes,
        features=folds.columns.all,
        reasons=reasons,
    )


def fit_challenger(
    pipeline: Pipeline,
    rows: pd.DataFrame,
    chosen: ChallengerSpec,
    y: np.ndarray,
    validated: np.ndarray | None,
    threads: int,
) -> Model:
    """Fit the challenger on all training rows, as one scikit-learn pipeline over the raw feature frame.

    Parameters
    ----------
    y, validated
        Labels and out-of-fold predictions of the folds' validation rows, on which the calibrator is fitted; the
        predictions may be None without calibration.
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
    assert validated is not None, "a calibrator is fitted on predictions"
    return calibrated(model, chosen.calibration, y, validated, chosen.classes)
