"""Base plus contributions equals the prediction, for every family."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from include.core.errors import EvaluationFailed
from include.training.calibrate import calibrated
from include.training.candidates import FAMILIES, candidates_of
from include.training.combine import build_model
from include.training.exact_contributions import exact_contributions
from include.training.explain_predictions import explain_predictions
from include.training.fit import fit_model, predict
from include.training.sampled_contributions import sampled_contributions

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.training.contributions import Contributions
    from tests.unit.training.conftest import MakeFrame, MakePipeline

FEATURES = ["holiday", "noise", "signal", "store"]


def fitted(pipeline: Pipeline, frame: pd.DataFrame, family: str) -> Model:
    """Fit one family on all rows."""
    pytest.importorskip(FAMILIES[family].package or "sklearn")
    candidate = candidates_of(pipeline.training)[family]
    return fit_model(
        pipeline, frame, family, candidate.defaults | ({candidate.rounds: 20} if candidate.rounds else {}), 1
    )


def explain(pipeline: Pipeline, frame: pd.DataFrame, model: Model, rows: int = 20) -> Contributions:
    """Explain the first rows against a background of later rows."""
    return explain_predictions(model, frame.head(rows), frame.iloc[100:200], pipeline.training)


@pytest.mark.parametrize("task", ["regression", "binary"])
@pytest.mark.parametrize(
    ("family", "method"),
    [("linear", "exact, of a linear model")]
    + [(name, "TreeSHAP") for name, family in FAMILIES.items() if family.shap_values is not None],
)
def test_a_models_own_contributions_add_up_to_its_prediction(
    task: str, family: str, method: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Boosted trees and linear models have exact contributions, also for missing values and categories."""
    pipeline, frame = make_pipeline(task, candidates=[family]), make_frame(task)
    model = fitted(pipeline, frame, family)

    found = explain(pipeline, frame, model)

    within = 1e-4 if family == "xgboost" else 1e-6  # XGBoost sums in single precision
    assert (found.method, found.unit) == (method, "log-odds" if task == "binary" else "value")
    assert found.explained == pytest.approx(predict(model, frame.head(20), pipeline.training), abs=within, rel=within)
    assert sorted(found.values) == FEATURES
    means = {name: np.abs(each).mean() for name, each in found.values.items()}
    assert max(means, key=means.__getitem__) == "signal"


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("family", ["extra_trees", "hist_gradient_boosting"])
def test_contributions_of_other_models_are_sampled_and_add_up_too(
    task: str, family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A multiclass model is explained by the probability of the most likely class."""
    pipeline, frame = make_pipeline(task, candidates=[family]), make_frame(task)
    model = fitted(pipeline, frame, family)

    found = explain(pipeline, frame, model)

    predicted = predict(model, frame.head(20), pipeline.training)
    assert (found.method, found.unit) == (
        "sampled Shapley values",
        "value" if task == "regression" else "probability",
    )
    assert found.explained == pytest.approx(predicted.max(axis=1) if predicted.ndim == 2 else predicted, abs=1e-9)
    assert found.agrees


def test_a_quantile_regression_is_exact(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Its label is scaled for the fit, and contributions are in the label's own unit."""
    pipeline, frame = make_pipeline("regression", metric="pinball", quantile=0.8, candidates=["linear"]), make_frame()
    model = fitted(pipeline, frame, "linear")

    found = explain(pipeline, frame, model)

    assert found.method == "exact, of a linear model"
    assert found.explained == pytest.approx(predict(model, frame.head(20), pipeline.training), abs=1e-6)


def test_the_sampled_estimate_is_close_to_the_exact_one(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A linear model has both; they nearly agree on the same background, and a seed reproduces the sample."""
    pipeline, frame = make_pipeline(candidates=["linear"]), make_frame()
    model, rows, background = fitted(pipeline, frame, "linear"), frame.head(10), frame.iloc[100:200]

    exact = exact_contributions(model, rows, background, pipeline.training)
    sampled = sampled_contributions(model, rows, background, pipeline.training, None, 7)
    again = sampled_contributions(model, rows, background, pipeline.training, None, 7)

    assert exact is not None
    for name in FEATURES:
        assert sampled.values[name] == pytest.approx(exact.values[name], abs=1e-6), name
        assert (sampled.values[name] == again.values[name]).all()
    assert sampled.base == pytest.approx(exact.base)


def test_a_mean_of_values_is_exact_and_a_mean_of_probabilities_is_sampled(
    make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Weighted values add up exactly, but the log-odds of a mean are not the mean of the log-odds."""
    for task, method in (("regression", "TreeSHAP and exact, of a linear model"), ("binary", "sampled Shapley values")):
        pipeline, frame = make_pipeline(task, candidates=["linear", "lightgbm"]), make_frame(task)
        members = [
            (family, share, fitted(pipeline, frame, family)) for family, share in (("linear", 1.0), ("lightgbm", 3.0))
        ]
        model = build_model(members, task)  # type: ignore[arg-type]

        found = explain(pipeline, frame, model)

        assert found.method == method
        assert found.explained == pytest.approx(predict(model, frame.head(20), pipeline.training), abs=1e-6)


@pytest.mark.parametrize(("family", "exact"), [("linear", True), ("lightgbm", True), ("extra_trees", False)])
def test_a_calibrated_model_is_explained_before_its_calibrator(
    family: str, exact: bool, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Exact contributions are to the log-odds before calibration; other models are sampled after calibration."""
    pipeline, frame = make_pipeline("binary", candidates=[family]), make_frame("binary")
    inner = fitted(pipeline, frame, family)
    before = predict(inner, frame, pipeline.training)
    model = calibrated(inner, "sigmoid", frame["label"].to_numpy(), before)

    found = explain(pipeline, frame, model)

    after = predict(model, frame.head(20), pipeline.training)
    assert found.before_calibration is exact
    assert found.explained == pytest.approx(before[:20] if exact else after, abs=1e-6)


def test_exact_contributions_that_do_not_add_up_are_replaced(
    make_pipeline: MakePipeline, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exact contributions are compared with the prediction, and sampled ones replace them if they differ."""
    pipeline, frame = make_pipeline(candidates=["linear"]), make_frame()
    model = fitted(pipeline, frame, "linear")

    def wrong(*args: Any) -> Contributions | None:
        found = exact_contributions(*args)
        return found and replace(found, base=found.base + 50)

    monkeypatch.setattr("include.training.explain_predictions.exact_contributions", wrong)

    assert explain(pipeline, frame, model).method == "sampled Shapley values"


def test_a_missing_column_is_named(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A model cannot be explained on rows that lack what it was fitted on."""
    pipeline, frame = make_pipeline(candidates=["extra_trees"]), make_frame()
    model = fitted(pipeline, frame, "extra_trees")

    with pytest.raises(EvaluationFailed, match="noise"):
        explain(pipeline, frame.drop(columns="noise"), model)


def test_a_model_without_features_adds_nothing(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The prediction of a constant is its base."""
    pipeline, frame = make_pipeline(candidates=["baseline"]), make_frame()

    found = explain(pipeline, frame, fitted(pipeline, frame, "baseline"))

    assert all(not each.any() for each in found.values.values())
    assert found.base == pytest.approx(found.prediction)


def test_fewer_walks_of_a_slow_model_still_add_up(
    make_pipeline: MakePipeline,
    make_frame: MakeFrame,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When the seconds have passed, the log names the number of finished walks."""
    from include.training import sampled_contributions as module

    monkeypatch.setattr(module, "MAX_SECONDS", 0.0)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 500)
    pipeline, frame = make_pipeline(candidates=["extra_trees"]), make_frame()
    model = fitted(pipeline, frame, "extra_trees")

    found = explain(pipeline, frame, model)

    assert found.explained == pytest.approx(predict(model, frame.head(20), pipeline.training), abs=1e-9)
    assert "of 400 walks" in caplog.text
