"""Calibrates probabilities, where calibrated ones are better than those of the model itself.

A calibrator is a map from a model's probability to the share of rows that it comes true for. It is learned from
out-of-fold predictions: on rows that a model was fitted on, it is surer than it has any right to be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from include.core.errors import TrainingImpossible
from include.evaluation.noise import Difference, paired_difference
from include.training.out_of_fold import NOT_ENOUGH, format_difference, refuse_unpredicted, why_not_judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import Pipeline as Model

    from include.evaluation.metrics import Metric

#: A curve of two parameters (Platt, 1999), and one of steps that only ascends (Zadrozny and Elkan, KDD 2002).
Method = Literal["sigmoid", "isotonic"]

#: Rows of the rarest class that a calibrator needs.
MIN_CLASS_ROWS = 50
#: Steps follow the noise of fewer rows than this, as scikit-learn's documentation warns.
MIN_ISOTONIC_ROWS = 1000
#: A metric that is worse by less than this is so by rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class CalibrationChoice:
    """How the challenger's probabilities are calibrated, and why.

    Attributes
    ----------
    difference
        By how much calibrated probabilities were better by log loss on the last fold; None where it was not judged.
    """

    method: Literal["none", "sigmoid", "isotonic"]
    difference: Difference | None
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
    """Return the method that makes probabilities better by more than noise, or none.

    Each method is fitted on all folds but the last and judged on the last, by log loss: the interval of the paired
    bootstrap over its days must lie above 0. The metric that is tuned for must not get worse there. Steps make
    ties, which cost a ranking; and classes that were weighed to be equal are no longer equal once calibrated. F1 is
    left out of this, since its threshold is chosen on calibrated probabilities.

    Parameters
    ----------
    y, fold, days
        Label (0, 1 or codes), number of the fold and day of each row, of shape (n_rows,).
    predictions
        Out-of-fold probabilities, of shape (n_rows,) or (n_rows, n_classes).

    Raises
    ------
    TrainingImpossible
        If a prediction is missing.
    """
    import numpy as np

    refuse_unpredicted(predictions, "the candidates that were chosen")

    def none(reason: str, difference: Difference | None = None) -> CalibrationChoice:
        return CalibrationChoice("none", difference, f"not calibrated: {reason}")

    if unjudgeable := why_not_judged(fold, days):
        return none(unjudgeable)
    last = fold == fold.max()
    n_classes = 2 if predictions.ndim == 1 else predictions.shape[1]
    rarest = int(np.bincount(y[~last].astype("int64"), minlength=n_classes).min())
    if rarest < MIN_CLASS_ROWS:
        return none(f"the rarest class has {rarest} rows before the last fold, and {MIN_CLASS_ROWS} are needed")
    judged, log_loss = (y[last], days[last]), replace(measure, metric="log_loss")
    how = {"rounds": rounds, "confidence": confidence, "seed": seed}
    found: list[CalibrationChoice] = []
    for method in get_args(Method):
        if method == "isotonic" and (~last).sum() < MIN_ISOTONIC_ROWS:
            continue
        calibrator = _fit_calibrator(method, y[~last], predictions[~last], range(n_classes))
        after, before = _apply(calibrator, predictions[last]), predictions[last]
        difference = paired_difference(log_loss, *judged, after, before, **how)
        told = f"{method} probabilities have a log loss {format_difference(difference)}"
        if not difference.low > 0:
            found.append(none(f"{told}, {NOT_ENOUGH}", difference))
        elif measure.metric != "f1" and not _gain(measure, y[last], after, before) >= -ROUNDING:
            found.append(none(f"{told}, and make {measure.metric} worse", difference))
        else:
            found.append(CalibrationChoice(method, difference, f"calibrated: {told}"))
    chosen = [each for each in found if each.method != "none"]
    return max(chosen or found, key=_by_value)


def calibrate_predictions(method: str, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return out-of-fold probabilities as the calibrated model would have given them, in the shape that they have.

    The calibrator is the one that `calibrated` gives the model, so a threshold that is chosen on its probabilities
    is on the model's own scale. It learned from the same rows, but only ever ascends for two classes: which rows
    are above a threshold is decided by the uncalibrated probabilities, which saw no label of theirs.

    Parameters
    ----------
    y
        Labels (0, 1 or codes), of shape (n_rows,).
    """
    refuse_unpredicted(predictions, "the candidates that were chosen")
    if method == "none":
        return predictions
    n_classes = 2 if predictions.ndim == 1 else predictions.shape[1]
    return _apply(_fit_calibrator(method, y, predictions, range(n_classes)), predictions)


def calibrated(
    model: Model, method: str, y: np.ndarray, predictions: np.ndarray, classes: Sequence[Any] | None = None
) -> Model:
    """Return a fitted model with a calibrator behind it, as one scikit-learn pipeline; with method none as it is.

    It consists of scikit-learn's own types and holds the fitted model once.

    Parameters
    ----------
    model
        Fitted on all rows to learn from, which must not be those of `predictions` as this model predicts them.
    y, predictions
        Labels (0, 1 or codes) of shape (n_rows,) and out-of-fold probabilities of the same rows.
    classes
        Labels that the codes stand for; by default 0 and 1.

    Raises
    ------
    TrainingImpossible
        If a prediction is missing, or a class of the model has no row.
    """
    import numpy as np
    from sklearn.base import clone
    from sklearn.ensemble import VotingClassifier
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import Pipeline

    if method == "none":
        return model
    refuse_unpredicted(predictions, "the candidates that were chosen")
    labels = np.asarray([0, 1] if classes is None else classes, dtype=model.classes_.dtype)
    seen = labels[np.unique(y).astype("int64")]
    if not (np.array_equal(seen, labels) and np.array_equal(labels, model.classes_)):
        raise TrainingImpossible(
            f"the model knows {len(model.classes_)} classes and the folds have rows of {len(seen)} of {len(labels)}, "
            "so its probabilities cannot be calibrated; set training.calibrate to false, or leave the rare classes out"
        )
    final = _fit_calibrator(method, y, predictions, labels)
    inner: Any = model
    if hasattr(model, "decision_function"):
        # it would be asked for that instead of probabilities, which a vote of one has only
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
    """Fit a calibrator on probabilities, behind a stand-in whose features they are."""
    import numpy as np
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Given(ClassifierMixin, BaseEstimator):
        """Predicts the probabilities that it is given."""

        def fit(self) -> None:
            """Learn nothing; scikit-learn takes nothing for a classifier that cannot be fitted."""

        def predict_proba(self, given: np.ndarray) -> np.ndarray:
            """Return what is given."""
            return given

        predict = predict_proba  # never called, but a model without it is none

    given = Given()
    given.classes_ = np.asarray(classes)
    # a frozen model is the same in each part, so the two parts only put the rows in order again
    calibrator = CalibratedClassifierCV(FrozenEstimator(given), method=method, cv=2, ensemble=False)
    return calibrator.fit(_of_all_classes(predictions), given.classes_[y.astype("int64")])


def _apply(calibrator: CalibratedClassifierCV, predictions: np.ndarray) -> np.ndarray:
    found = calibrator.predict_proba(_of_all_classes(predictions))
    return found[:, 1] if predictions.ndim == 1 else found


def _of_all_classes(predictions: np.ndarray) -> np.ndarray:
    import numpy as np

    given = predictions.astype("float64")
    return np.column_stack([1 - given, given]) if given.ndim == 1 else given


def _gain(measure: Metric, y: np.ndarray, after: np.ndarray, before: np.ndarray) -> float:
    return measure.sign * (measure.value(y, after) - measure.value(y, before))


def _by_value(choice: CalibrationChoice) -> float:
    """Return the difference that was found; one that is not defined is the least."""
    value = choice.difference.value if choice.difference else math.nan
    return -math.inf if math.isnan(value) else value
