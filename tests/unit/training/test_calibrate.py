"""Probabilities are calibrated only if later days show an improvement."""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline as Model
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from include.core.errors import TrainingImpossible
from include.evaluation.metrics import Metric
from include.training.calibrate import CalibrationChoice, calibrate_predictions, calibrated, choose_calibration
from include.training.combine import build_model
from include.training.model_file import load_model, save_model

if TYPE_CHECKING:
    from pathlib import Path

NOISE = {"rounds": 300, "confidence": 0.95, "seed": 7}


@dataclass
class Rows:
    """Labels of three folds of ten days, and the true probabilities they were drawn from."""

    y: np.ndarray
    true: np.ndarray
    fold: np.ndarray
    days: np.ndarray

    def choose(self, predictions: np.ndarray, metric: str = "log_loss", **changes: Any) -> CalibrationChoice:
        """Choose a calibration of predictions of these rows."""
        task = "binary" if predictions.ndim == 1 else "multiclass"
        return choose_calibration(self.y, predictions, self.fold, self.days, Metric(task, metric), **NOISE | changes)


def _rows(seed: int = 7, rows_per_day: int = 100, n_classes: int = 2) -> Rows:
    draw = np.random.default_rng(seed)
    day = np.repeat(np.arange(30), rows_per_day)
    if n_classes == 2:
        true = expit(draw.normal(-0.5, 1.2, len(day)))
        y = (draw.random(len(day)) < true).astype("float64")
    else:
        true = np.exp(draw.normal(0, 1.2, (len(day), n_classes)))
        true /= true.sum(axis=1, keepdims=True)
        y = (draw.random(len(day))[:, None] > true.cumsum(axis=1)).sum(axis=1).astype("float64")
    return Rows(y, true, day // 10, np.datetime64("2024-02-01") + day)


def _overconfident(true: np.ndarray) -> np.ndarray:
    """Return overconfident probabilities in the same order."""
    if true.ndim == 1:
        return expit(3 * logit(true))
    powers = true**3
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_an_overconfident_model_is_calibrated(n_classes: int) -> None:
    """Calibration improves overconfident probabilities on days that the calibrator has not seen."""
    rows = _rows(n_classes=n_classes)

    found = rows.choose(_overconfident(rows.true))

    assert found.method in ("sigmoid", "isotonic")
    assert found.difference.low > 0
    assert found.reason.startswith(f"calibrated: {found.method} probabilities have a log loss better by 0.")


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_a_calibrated_model_is_left_as_it_is(seed: int, n_classes: int) -> None:
    """No method improves true probabilities by more than noise."""
    rows = _rows(seed, n_classes=n_classes)

    found = rows.choose(rows.true)

    assert found.method == "none"
    assert not found.difference.low > 0
    assert found.reason.startswith("not calibrated: ")
    assert found.reason.endswith("and it must be better by more than noise")


def test_what_helped_on_earlier_folds_only_is_not_used() -> None:
    """A model that is overconfident on the earlier folds and right on the last is not calibrated."""
    rows = _rows()

    found = rows.choose(np.where(rows.fold < 2, _overconfident(rows.true), rows.true))

    assert found.method == "none"
    assert found.difference.high < 0
    assert "worse by" in found.reason


def test_isotonic_calibration_corrects_what_a_sigmoid_cannot() -> None:
    """If the distortion is no sigmoid, isotonic probabilities are better and are chosen."""
    rows = _rows()

    found = rows.choose(np.where(rows.true < 0.5, rows.true / 5, 0.8 + rows.true / 5))

    assert found.method == "isotonic"


def test_few_rows_get_no_isotonic_calibration() -> None:
    """Below a thousand rows the steps follow noise, so only the sigmoid is tried."""
    rows = _rows(rows_per_day=40)

    found = rows.choose(np.where(rows.true < 0.5, rows.true / 5, 0.8 + rows.true / 5))

    assert "isotonic" not in found.reason


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_a_ranking_is_not_made_worse(metric: str) -> None:
    """Steps make ties, so a sigmoid is chosen if the tuned metric is a ranking."""
    rows = _rows()
    bent = _overconfident(rows.true)

    chosen = rows.choose(bent, metric)
    last = rows.fold == 2
    measure = Metric("binary", metric)
    steps = IsotonicRegression(out_of_bounds="clip").fit(bent[~last], rows.y[~last]).predict(bent[last])

    assert rows.choose(bent).method == "isotonic"
    assert measure.value(rows.y[last], steps) < measure.value(rows.y[last], bent[last])
    assert chosen.method == "sigmoid"


def test_the_tuned_metric_is_not_made_worse() -> None:
    """Equally weighted classes have the higher balanced accuracy, so they are not calibrated."""
    rows = _rows(n_classes=3)
    rare = np.array([0.1, 0.1, 0.8])
    draw = np.random.default_rng(8)
    true = rows.true * rare
    true /= true.sum(axis=1, keepdims=True)
    rows.y = (draw.random(len(true))[:, None] > true.cumsum(axis=1)).sum(axis=1).astype("float64")
    weighed_equally = true / rare
    weighed_equally /= weighed_equally.sum(axis=1, keepdims=True)

    by_log_loss, by_recall = (rows.choose(weighed_equally, each) for each in ("log_loss", "balanced_accuracy"))

    assert by_log_loss.method != "none"
    assert by_recall.method == "none"
    assert by_recall.reason.endswith("and make balanced_accuracy worse")


def test_f1_does_not_prevent_calibration() -> None:
    """F1 changes at the old threshold, but the threshold is chosen again on calibrated probabilities."""
    rows = _rows()
    # twice the odds: far too many rows are above 0.5
    raised = expit(logit(rows.true) + 1.5)
    last, measure = rows.fold == 2, Metric("binary", "f1")

    found = rows.choose(raised, "f1")

    after = calibrate_predictions(found.method, rows.y, raised)[last]
    assert measure.value(rows.y[last], after) < measure.value(rows.y[last], raised[last])
    assert found.method != "none"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_rare_class_is_not_calibrated(n_classes: int) -> None:
    """With too few rows of a class before the last fold nothing is calibrated; the reason has the number."""
    rows = _rows(n_classes=n_classes)
    early = np.flatnonzero((rows.y == 1) & (rows.fold < 2))
    rows.y[early[49:]] = 0

    found = rows.choose(_overconfident(rows.true))

    assert found == CalibrationChoice(
        "none", None, "not calibrated: the rarest class has 49 rows before the last fold, and calibration needs 50"
    )


def test_a_class_without_any_row_is_not_calibrated() -> None:
    """A class may have no row in the folds although the model gives it a probability."""
    rows = _rows(n_classes=3)
    rows.y[rows.y == 2] = 1

    assert "the rarest class has 0 rows" in rows.choose(_overconfident(rows.true)).reason


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("fold", "there is only one fold, and judging needs a second"),
        ("days", "the last fold has only one day, and noise cannot be estimated from one day"),
    ],
)
def test_without_a_fold_to_judge_on_nothing_is_calibrated(field: str, reason: str) -> None:
    """Without a later fold of several days there is no evidence for a calibration."""
    rows = _rows()
    setattr(rows, field, np.full(len(rows.y), getattr(rows, field)[-1]))

    found = rows.choose(_overconfident(rows.true))

    assert found == CalibrationChoice("none", None, f"not calibrated: {reason}")


def test_scores_that_are_no_probabilities_are_not_calibrated() -> None:
    """An undefined log loss is no evidence."""
    rows = _rows()

    found = rows.choose(rows.true + 1)

    assert found.method == "none"
    assert "an undefined difference" in found.reason


def test_the_same_rows_give_the_same_choice() -> None:
    """A repeated choice is the same to the last bit."""
    rows = _rows()

    assert rows.choose(_overconfident(rows.true)) == rows.choose(_overconfident(rows.true))


def test_isotonic_predictions_are_those_of_the_steps_themselves() -> None:
    """The stand-in for the model changes nothing: each probability and label reaches the calibrator once."""
    rows = _rows()
    bent = _overconfident(rows.true)

    found = calibrate_predictions("isotonic", rows.y, bent)

    assert found == pytest.approx(IsotonicRegression(out_of_bounds="clip").fit(bent, rows.y).predict(bent))


def test_sigmoid_predictions_are_those_of_a_logistic_regression() -> None:
    """The sigmoid equals the best fit by another implementation."""
    rows = _rows()
    bent = _overconfident(rows.true)

    found = calibrate_predictions("sigmoid", rows.y, bent)

    by_regression = LogisticRegression(C=math.inf, tol=1e-10).fit(bent[:, None], rows.y)
    assert found == pytest.approx(by_regression.predict_proba(bent[:, None])[:, 1], abs=1e-3)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_multiclass_probabilities_are_calibrated_per_class(method: str) -> None:
    """Each row of probabilities still sums to 1, and the log loss is better."""
    rows = _rows(n_classes=3)
    bent = _overconfident(rows.true)

    found = calibrate_predictions(method, rows.y, bent)

    assert found.sum(axis=1) == pytest.approx(1)
    assert log_loss(rows.y, found) < log_loss(rows.y, bent)


def test_no_method_leaves_predictions_and_model_as_they_are() -> None:
    """Method none changes nothing."""
    rows, model = _rows(), Model([("model", GaussianNB())])

    assert calibrate_predictions("none", rows.y, rows.true) is rows.true
    assert calibrated(model, "none", rows.y, rows.true) is model


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_without_a_prediction_is_refused(value: float) -> None:
    """Out-of-fold predictions that are not finite are refused, for every method."""
    rows = _rows(n_classes=3)
    rows.true[5, 1] = value

    for ask in (
        lambda: rows.choose(rows.true),
        lambda: calibrate_predictions("sigmoid", rows.y, rows.true),
        lambda: calibrated(Model([("model", GaussianNB())]), "sigmoid", rows.y, rows.true),
    ):
        with pytest.raises(TrainingImpossible, match=r"not finite in 1 of 3,000 rows"):
            ask()


#: By number of classes, what they are called.
LABELS = {2: [0, 1], 3: ["late", "none", "some"]}


def _frame(count: int = 300) -> pd.DataFrame:
    draw = np.random.default_rng(7)
    return pd.DataFrame({"signal": draw.normal(size=count), "store": draw.choice(["north", "south"], count)})


def _fitted(kind: str, n_classes: int) -> Model:
    """Return a fitted model: of a family with a decision function, of one without, or of both."""
    frame = _frame()
    value = frame["signal"].to_numpy() + np.random.default_rng(8).normal(size=len(frame))
    edges = [0] if n_classes == 2 else [-1, 1]
    y = np.array(LABELS[n_classes])[np.digitize(value, edges)]
    encode = ColumnTransformer(
        [("numeric", StandardScaler(), ["signal"]), ("categorical", OrdinalEncoder(), ["store"])]
    )
    estimators = {"linear": LogisticRegression(), "bayes": GaussianNB(), "trees": HistGradientBoostingClassifier()}
    if kind in estimators:
        return Model([("encode", encode), ("model", estimators[kind])]).fit(frame, y)
    return build_model([(each, 0.5, _fitted(each, n_classes)) for each in ("linear", "bayes")], "binary")


each_kind = pytest.mark.parametrize("kind", ["linear", "bayes", "trees", "ensemble"])
each_method = pytest.mark.parametrize("method", ["sigmoid", "isotonic"])


@each_kind
@each_method
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_calibrated_model_uses_the_calibrator_of_the_folds(method: str, kind: str, n_classes: int) -> None:
    """The calibrator fitted on out-of-fold predictions is applied to the model's own probabilities."""
    rows, frame, model = _rows(n_classes=n_classes), _frame(), _fitted(kind, n_classes)
    bent = _overconfident(rows.true)

    found = calibrated(model, method, rows.y, bent, LABELS[n_classes])

    raw = model.predict_proba(frame)
    if n_classes == 2:
        points, after = bent, calibrate_predictions(method, rows.y, bent)
        order = np.argsort(points)
        # the map is linear between neighbouring probabilities of the folds
        expected = np.interp(raw[:, 1], points[order], after[order])
        assert found.predict_proba(frame)[:, 1] == pytest.approx(expected, abs=1e-3)
    else:
        together = np.vstack([bent, raw])
        weights = np.append(np.ones(len(bent)), np.zeros(len(raw)))
        each = []
        for number in range(3):
            labels = np.append(rows.y == number, np.zeros(len(raw)))
            if method == "isotonic":
                steps = IsotonicRegression(out_of_bounds="clip").fit(together[:, number], labels, sample_weight=weights)
                each.append(steps.predict(raw[:, number]))
            else:
                curve = LogisticRegression(C=math.inf, tol=1e-10).fit(bent[:, [number]], rows.y == number)
                each.append(curve.predict_proba(raw[:, [number]])[:, 1])
        expected = np.column_stack(each)
        expected /= expected.sum(axis=1, keepdims=True)
        assert found.predict_proba(frame) == pytest.approx(expected, abs=2e-3)
    assert list(found.feature_names_in_) == ["signal", "store"]
    assert list(found.classes_) == LABELS[n_classes]
    assert np.array_equal(found.predict(frame), found.classes_[found.predict_proba(frame).argmax(axis=1)])


@each_kind
@each_method
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_calibrated_model_is_saved_and_loaded(method: str, kind: str, n_classes: int, tmp_path: Path) -> None:
    """The file holds the fitted model once and no type of this project; it predicts the same to the last bit."""
    rows, frame, model = _rows(n_classes=n_classes), _frame(), _fitted(kind, n_classes)
    found = calibrated(model, method, rows.y, _overconfident(rows.true), LABELS[n_classes])
    path = tmp_path / "model.skops"

    loaded = load_model(path, save_model(found, path))

    assert np.array_equal(loaded.predict_proba(frame), found.predict_proba(frame))
    assert np.array_equal(loaded.predict(frame), found.predict(frame))
    assert not hasattr(loaded.named_steps["model"].estimator, "classes_")
    with zipfile.ZipFile(path) as archive:
        assert '"include' not in json.dumps(json.loads(archive.read("schema.json")))


def test_the_model_itself_is_not_changed() -> None:
    """Calibration leaves the given model unchanged."""
    rows, frame, model = _rows(), _frame(), _fitted("linear", 2)
    before = model.predict_proba(frame)

    calibrated(model, "sigmoid", rows.y, _overconfident(rows.true))

    assert np.array_equal(model.predict_proba(frame), before)
    assert hasattr(model, "decision_function")


def test_a_class_that_the_folds_lack_cannot_be_calibrated() -> None:
    """A model of three classes with labels of two is refused, with advice."""
    rows = _rows(n_classes=3)
    rows.y[rows.y == 2] = 1

    with pytest.raises(TrainingImpossible, match=r"knows 3 classes and the folds have rows of 2 of 3.*calibrate"):
        calibrated(_fitted("linear", 3), "sigmoid", rows.y, rows.true, LABELS[3])
