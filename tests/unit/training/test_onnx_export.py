"""An exported model predicts the same as the model, or the export fails with a reason."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline as Model

from include.training.candidates import candidates_of
from include.training.columns import FeatureColumns, feature_columns
from include.training.fit import fit_model, predict
from include.training.onnx_export import OnnxExport, export_onnx, run_onnx

if TYPE_CHECKING:
    import pandas as pd

    from include.config.pipeline import Pipeline
    from tests.unit.training.conftest import MakeFrame, MakePipeline

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")


def _fitted(pipeline: Pipeline, frame: pd.DataFrame, family: str) -> tuple[Model, FeatureColumns]:
    candidate = candidates_of(pipeline.training)[family]
    params = candidate.defaults | ({candidate.rounds: 30} if candidate.rounds else {})
    return fit_model(pipeline, frame, family, params, 1), feature_columns(pipeline, frame)


def _export(pipeline: Pipeline, frame: pd.DataFrame, family: str, **changed: Any) -> OnnxExport:
    model, columns = _fitted(pipeline, frame, family)
    classes = list(model.classes_) if pipeline.training.classifies else None
    expected = changed.get("expected", predict(model, frame, pipeline.training, classes))
    return export_onnx(model, columns, pipeline.training, frame, expected)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_lightgbm_is_exported(task: str, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Its features have missing values, text and booleans."""
    pipeline, frame = make_pipeline(task, candidates=["lightgbm"]), make_frame(task)

    export = _export(pipeline, frame, "lightgbm")

    assert export.reason == ""
    assert export.content is not None
    assert export.largest_difference < 1e-4
    assert export.rows == len(frame)


def test_a_file_with_other_predictions_is_not_exported(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The reason has the difference, and there is no file."""
    pipeline, frame = make_pipeline("regression", candidates=["lightgbm"]), make_frame("regression")

    export = _export(pipeline, frame, "lightgbm", expected=np.zeros(len(frame)))

    assert export.content is None
    assert export.reason.startswith("its predictions differ by up to ")


def test_a_model_without_a_converter_is_not_exported(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The run does not fail."""
    pipeline, frame = make_pipeline("binary", candidates=["lightgbm"]), make_frame("binary")
    _, columns = _fitted(pipeline, frame, "lightgbm")

    class Unknown:
        """A model without a converter."""

    export = export_onnx(Model([("model", Unknown())]), columns, pipeline.training, frame, np.zeros(len(frame)))

    assert export.content is None
    assert export.reason.startswith("the model cannot be converted (")


def test_without_the_packages_the_reason_says_how_to_install_them(
    make_pipeline: MakePipeline, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX is an extra."""
    monkeypatch.setitem(sys.modules, "skl2onnx", None)

    export = _export(make_pipeline("binary", candidates=["lightgbm"]), make_frame("binary"), "lightgbm")

    assert export.content is None
    assert "run `make extras`" in export.reason


def test_inputs_are_found_by_name(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Each feature is an input, in any order; missing and new text does no harm."""
    pipeline, frame = make_pipeline("binary", candidates=["lightgbm"]), make_frame("binary")
    export = _export(pipeline, frame, "lightgbm")
    model, columns = _fitted(pipeline, frame, "lightgbm")
    assert export.content is not None
    strange = frame.head(50).copy()
    strange[columns.categorical[0]] = "never seen"

    found = run_onnx(export.content, columns, strange[reversed(strange.columns)])

    np.testing.assert_allclose(found[:, 1], predict(model, strange, pipeline.training), atol=1e-5)
