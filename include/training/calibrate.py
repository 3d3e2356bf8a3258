"""Calibrates probabilities if that makes them better than the model's own.

A calibrator maps a model's probability to the observed frequency. It is fitted on out-of-fold predictions, because a
model is overconfident on the rows it was fitted on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from include.core.errors import TrainingImpossible
from include.evaluation.paired_bootstrap import PairedDifference, paired_difference
from include.training.out_of_fold import NOT_ENOUGH, format_difference, refuse_unpredicted, why_not_judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import Pipeline as Model

    from include.evaluation.metrics import Metric

#: A sigmoid of two parameters (Platt, 1999), and an increasing step function (Zadrozny and Elkan, KDD 2002).
Method = Literal["sigmoid", "isotonic"]

#: Minimum number of rows in the rarest class.
MIN_CLASS_ROWS = 50
#: With fewer rows the steps follow the noise, as scikit-learn's documentation warns.
MIN_ISOTONIC_ROWS = 1000
#: A difference of a metric below this is rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class CalibrationChoice:
    """How the challenger's probabilities are calibrated, and why.

    Attributes
    ----------
    difference
        Improvement of the log loss by calibration on the last fold; None if it was not measured.
    """

    method: Literal["none", "sigmoid", "isotonic"]
    difference: PairedDifference | None
    reason: str


def choose_calibration(
    y: np.ndarray,
    predictions: np.ndarray,
    fold: np.ndarray,
    days: np.ndarray,
    measure: Metric,
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> CalibrationChoice:
    """Return the calibration method that improves probabilities by more than noise, or none.

    Each method is fitted on all folds but the last and judged on the last by log loss: the interval of the paired
    bootstrap over its days must lie above 0. The tuned metric must not get worse there: steps make ties, which hurt a
    ranking, and calibration undoes the equal weights of classes. F1 is exempt, because its threshold is chosen on
    calibrated probabilities.

    Parameters
    ----------
    y, fold, days
        Label (0, 1 or codes), fold number and day of each row, of shape (n_rows,).
    predictions
        Out-of-fold probabilities, of shape (n_rows,) or (n_rows, n_classes).

    Raises
    ------
    TrainingImpossible
        If a prediction is not finite.
    """
    import numpy as np

    refuse_unpredicted(predictions, "the chosen candidates")

    def none(reason: str, difference: PairedDifference | None = None) -> CalibrationChoice:
        return CalibrationChoice("none", difference, f"not calibrated: {reason}")

    if unjudgeable := why_not_judged(fold, days):
        return none(unjudgeable)
    last = fold == fold.max()
    n_classes = 2 if predictions.ndim == 1 else predictions.shape[1]
    rarest = int(np.bincount(y[~last].astype("int64"), minlength=n_classes).min())
    if rarest < MIN_CLASS_ROWS:
        return none(f"the rarest class has {rarest} rows before the last fold, and calibration needs {MIN_CLASS_ROWS}")
    log_loss = replace(measure, name="log_loss")
    choices: list[CalibrationChoice] = []
    for method in get_args(Method):
        if method == "isotonic" and (~last).sum() < MIN_ISOTONIC_ROWS:
            continue
        calibrator = _fit_calibrator(method, y[~last], predictions[~last], range(n_classes))
        after, before = _apply(calibrator, predictions[last]), predictions[last]
        difference = paired_difference(
            log_loss, y[last], days[last], after, before, rounds=rounds, confidence=confidence, seed=seed
        )
        sentence = f"{method} probabilities have a log loss {format_difference(difference)}"
        if not difference.low > 0:
            choices.append(none(f"{sentence}, {NOT_ENOUGH}", difference))
        elif measure.name != "f1" and not _gain(measure, y[last], after, before) >= -ROUNDING:
            choices.append(none(f"{sentence}, and make {measure.name} worse", difference))
        else:
            choices.append(CalibrationChoice(method, difference, f"calibrated: {sentence}"))
    chosen = [each for each in choices if each.method != "none"]
    return max(chosen or choices, key=_improvement)


def calibrate_predictions(method: str, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return out-of-fold probabilities as the calibrated model would give them, in the same shape.

    The calibrator is the one that `calibrated` adds to the model, so a threshold chosen on these probabilities is on
    the model's own scale. It is fitted on the same rows, but for two classes it is increasing: which rows are above a
    threshold depends on the uncalibrated probabilities alone, and those models have not seen the rows' labels.

    Parameters
    ----------
    y
        Labels (0, 1 or codes), of shape (n_rows,).
    """
    refuse_unpredicted(predictions, "the chosen candidates")
    if method == "none":
        return predictions
    n_classes = 2 if predictions.ndim == 1 else predictions.shape[1]
    return _apply(_fit_calibrator(method, y, predictions, range(n_classes)), predictions)


def calibrated(
    model: Model, method: str, y: np.ndarray, predictions: np.ndarray, classes: Sequence[Any] | None = None
) -> Model:
    """Return a fitted model followed by a calibrator, as one scikit-learn pipeline; method none returns it unchanged.

    The pipeline consists of scikit-learn's own types and holds the fitted model once.

    Parameters
    ----------
    model
        A model that was fitted on all training rows. `predictions` must not be its own predictions of these rows.
    y, predictions
        Labels (0, 1 or codes) of shape (n_rows,) and out-of-fold probabilities of the same rows.
    classes
        The label of each code; by default 0 and 1.

    Raises
    ------
    TrainingImpossible
        If a prediction is not finite, or a class of the model has no row.
    """
    import numpy as np
    from sklearn.base import clone
    from sklearn.ensemble import VotingClassifier
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import Pipeline

    if method == "none":
        return model
    refuse_unpredicted(predictions, "the chosen candidates")
    labels = np.asarray([0, 1] if classes is None else classes, dtype=model.classes_.dtype)
    seen = labels[np.unique(y).astype("int64")]
    if not (np.array_equal(seen, labels) and np.array_equal(labels, model.classes_)):
        raise TrainingImpossible(
            f"the model knows {len(model.classes_)} classes and the folds have rows of {len(seen)} of {len(labels)}, "
            "so its probabilities cannot be calibrated; set training.calibrate to false, or leave out the rare classes"
        )
    final = _fit_calibrator(method, y, predictions, labels)
    inner: Any = model
    if hasattr(model, "decision_function"):
        # the calibrator would use decision_function instead of probabilities; a vote of one has predict_proba only
        inner = VotingClassifier([("model", FrozenEstimator(model))], voting="soft").fit(None, labels)
        inner.estimators, inner.estimators_ = [("model", clone(model))], [model]
        del inner.named_estimators_
    final.estimator = clone(inner)
    final.calibrated_classifiers_[0].estimator = inner
    final.feature_names_in_, final.n_features_in_ = model.feature_names_in_, model.n_features_in_
    return Pipeline([("model", final)])


def _fit_calibrator(
    method: str, y: np.ndarray, predictions: np.ndarray, classes: Sequence[Any] | np.ndarray
) -> CalibratedClassifierCV:
    """Fit a calibrator on probabilities, with a stand-in estimator that takes them as features."""
    import numpy as np
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Given(ClassifierMixin, BaseEstimator):
        """Returns its features as probabilities."""

        def fit(self) -> None:
            """Do nothing; scikit-learn accepts no classifier without `fit`."""

        def predict_proba(self, given: np.ndarray) -> np.ndarray:
            """Return the features."""
            return given

        predict = predict_proba  # never called, but scikit-learn requires it

    given = Given()
    given.classes_ = np.asarray(classes)
    # the frozen model is the same in both parts, so cv=2 only predicts the rows in two parts
    calibrator = CalibratedClassifierCV(FrozenEstimator(given), method=method, cv=2, ensemble=False)
    return calibrator.fit(_with_both_classes(predictions), given.classes_[y.astype("int64")])


def _apply(calibrator: CalibratedClassifierCV, predictions: np.ndarray) -> np.ndarray:
    found = calibrator.predict_proba(_with_both_classes(predictions))
    return found[:, 1] if predictions.ndim == 1 else found


def _with_both_classes(predictions: np.ndarray) -> np.ndarray:
    import numpy as np

    given = predictions.astype("float64")
    return np.column_stack([1 - given, given]) if given.ndim == 1 else given


def _gain(measure: Metric, y: np.ndarray, after: np.ndarray, before: np.ndarray) -> float:
    return measure.sign * (measure.value(y, after) - measure.value(y, before))


def _improvement(choice: CalibrationChoice) -> float:
    """Return the measured difference; an undefined one is minus infinity."""
    value = choice.difference.value if choice.difference else math.nan
    return -math.inf if math.isnan(value) else value
