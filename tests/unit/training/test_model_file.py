"""A model file is data: it is loaded whole and unchanged, or not at all."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline as Model
from sklearn.preprocessing import FunctionTransformer

from include.config.training import BUILT_IN, EXTRAS
from include.core.errors import ModelRefused
from include.training.candidates import candidates_of
from include.training.combine import build_model
from include.training.fit import fit_model, predict
from include.training.model_file import load_model, save_model, trusted_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from include.config.pipeline import Pipeline
    from tests.unit.training.conftest import MakeFrame, MakePipeline

FAMILIES = BUILT_IN + EXTRAS
Fitted = Callable[["Pipeline", "pd.DataFrame", str], Model]


class Sneaky(DummyClassifier):
    """A class that is not allowed, and that leaves a trace when it is created or restored."""

    def __setstate__(self, state: dict[str, object]) -> None:
        os.environ["SNEAKY_WAS_MADE"] = "1"
        self.__dict__.update(state)


class Opens:
    """Opens a file for writing when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.path, "w")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _few_rounds(pipeline: Pipeline, family: str) -> dict[str, object]:
    candidate = candidates_of(pipeline.training)[family]
    return candidate.defaults | ({candidate.rounds: 10} if candidate.rounds else {})


def _fitted(pipeline: Pipeline, frame: pd.DataFrame, family: str) -> Model:
    return fit_model(pipeline, frame, family, _few_rounds(pipeline, family), 1)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """Return a function that fits a family on its task's table; one fit is enough for all tests, which only read it."""
    models: dict[tuple[str, str], Model] = {}

    def fit(pipeline: Pipeline, frame: pd.DataFrame, family: str) -> Model:
        key = (pipeline.training.task, family)
        if key not in models:
            models[key] = _fitted(pipeline, frame, family)
        return models[key]

    return fit


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_predicts_the_same(
    family: str, task: str, tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame, fitted: Fitted
) -> None:
    """Every family is loaded as it was written, to the last bit of its predictions."""
    frame, pipeline = make_frame(task), make_pipeline(task, candidates=[family])
    model = fitted(pipeline, frame, family)
    path = tmp_path / "model.skops"

    sha256 = save_model(model, path)
    loaded = load_model(path, sha256)

    assert sha256 == _sha256(path)
    assert np.array_equal(predict(loaded, frame, pipeline.training), predict(model, frame, pipeline.training))


@pytest.mark.parametrize("metric", ["rmse", "pinball"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_another_loss_is_not_refused(
    family: str, metric: str, tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A model of the mean, or of a quantile, holds allowed types only."""
    frame, pipeline = make_frame(), make_pipeline(metric=metric, quantile=0.9, candidates=[family])
    model = _fitted(pipeline, frame, family)
    path = tmp_path / "model.skops"

    loaded = load_model(path, save_model(model, path))

    assert np.array_equal(predict(loaded, frame, pipeline.training), predict(model, frame, pipeline.training))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dropped", [["store"], ["signal", "noise", "holiday"]], ids=["numbers only", "text only"])
def test_a_model_of_one_kind_of_column_is_not_refused(
    dropped: list[str], family: str, tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A model whose encoder has only numbers or only text holds allowed types only."""
    frame, pipeline = make_frame().drop(columns=dropped), make_pipeline(candidates=[family])
    model = _fitted(pipeline, frame, family)
    path = tmp_path / "model.skops"

    loaded = load_model(path, save_model(model, path))

    assert np.array_equal(predict(loaded, frame, pipeline.training), predict(model, frame, pipeline.training))


@pytest.mark.parametrize(
    ("task", "method"),
    [("regression", "none")]
    + [(task, method) for task in ("binary", "multiclass") for method in ("none", "sigmoid", "isotonic")],
)
def test_all_families_together_are_not_refused(
    task: str, method: str, tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame, fitted: Fitted
) -> None:
    """A vote of every family, calibrated or not, is loaded as it was written."""
    frame, pipeline = make_frame(task), make_pipeline(task, candidates=FAMILIES)
    members = [(family, 1 / len(FAMILIES), fitted(pipeline, frame, family)) for family in FAMILIES]
    model = build_model(members, pipeline.training.task)
    if method != "none":
        columns = list(model.feature_names_in_)
        labels = frame["label"].astype("str" if task == "multiclass" else "int64").to_numpy()
        calibrated = CalibratedClassifierCV(FrozenEstimator(model), method=method).fit(frame[columns], labels)
        model = Model([("model", calibrated)])
    path = tmp_path / "model.skops"

    loaded = load_model(path, save_model(model, path))

    assert np.array_equal(predict(loaded, frame, pipeline.training), predict(model, frame, pipeline.training))


def test_types_of_an_own_estimator_are_loaded_only_where_they_are_named(
    tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """The types that pipeline.yaml names may be loaded for that pipeline, and no others."""
    own = {"neighbours": {"estimator": "sklearn.neighbors.KNeighborsRegressor"}}
    frame, pipeline = make_frame(), make_pipeline(candidates=[], own_candidates=own)
    model = fit_model(pipeline, frame, "neighbours", {}, 1)
    path = tmp_path / "model.skops"
    sha256 = save_model(model, path)

    for also in ([], ["sklearnish", "neighbors"], trusted_of(make_pipeline().training)):
        with pytest.raises(ModelRefused, match=r"sklearn\.neighbors\._kd_tree\.KDTree"):
            load_model(path, sha256, also)
    loaded = load_model(path, sha256, trusted_of(pipeline.training))

    assert np.array_equal(predict(loaded, frame, pipeline.training), predict(model, frame, pipeline.training))


def test_a_named_package_allows_no_other(tmp_path: Path) -> None:
    """A system function stays refused, whichever packages are named."""
    path = tmp_path / "model.skops"
    skops.io.dump(Model([("encode", FunctionTransformer(os.system)), ("model", DummyClassifier())]), path)

    with pytest.raises(ModelRefused, match=r"\(.*system\), so it was not loaded$"):
        load_model(path, _sha256(path), ["sklearn", "lightgbm"])


@pytest.mark.parametrize("at", [0, 0.5, 1], ids=["first byte", "a byte in the middle", "last byte"])
def test_a_changed_byte_is_refused(
    at: float, tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A file with any changed byte is not loaded, and the error shows both digests."""
    path = tmp_path / "model.skops"
    sha256 = save_model(fit_model(make_pipeline(), make_frame(), "linear", {"strength": 1.0}, 1), path)
    content = bytearray(path.read_bytes())
    content[round(at * (len(content) - 1))] ^= 1
    path.write_bytes(content)

    with pytest.raises(ModelRefused, match=rf"^model\.skops has the SHA-256 {_sha256(path)[:12]}.* {sha256[:12]}…"):
        load_model(path, sha256)


@pytest.mark.parametrize("function", [os.system, eval, open], ids=lambda function: function.__name__)
def test_a_function_in_the_file_is_refused_and_not_called(function: object, tmp_path: Path) -> None:
    """A transformer with a system function is named and never created, even with the right digest."""
    path = tmp_path / "model.skops"
    steps = [("encode", FunctionTransformer(function)), ("model", DummyClassifier())]
    skops.io.dump(Model(steps), path)

    with pytest.raises(ModelRefused, match=rf"types that no model of Nightshift has \(.*{function.__name__}"):
        load_model(path, _sha256(path))


def test_a_foreign_class_is_refused_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that is not allowed is named, and its code has not run."""
    path = tmp_path / "model.skops"
    skops.io.dump(Sneaky().fit([[0], [1]], [0, 1]), path)
    monkeypatch.delenv("SNEAKY_WAS_MADE", raising=False)

    with pytest.raises(ModelRefused, match=r"types that no model .*Sneaky\), so it was not loaded$"):
        load_model(path, _sha256(path))

    assert "SNEAKY_WAS_MADE" not in os.environ


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    """A pickle with the model's name is refused, and the function it names is not called."""
    path, trace = tmp_path / "model.skops", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Opens(str(trace))))

    with pytest.raises(ModelRefused, match=r"^model\.skops is not a model file"):
        load_model(path, _sha256(path))

    assert not trace.exists()


def _zip(path: Path, name: str, content: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="nothing"),
        pytest.param(lambda path: path.write_bytes(np.random.default_rng(7).bytes(5000)), id="random bytes"),
        pytest.param(lambda path: path.write_text("accuracy: 0.9"), id="text"),
        pytest.param(lambda path: _zip(path, "readme.txt", "hello"), id="a zip without a schema"),
        pytest.param(lambda path: _zip(path, "schema.json", "{"), id="a schema that is not JSON"),
        pytest.param(lambda path: _zip(path, "schema.json", "{}"), id="a schema without fields"),
        pytest.param(
            lambda path: _zip(path, "schema.json", "[1]"),
            id="a schema that is a list",
        ),
    ],
)
def test_a_file_of_something_else_is_refused(write: object, tmp_path: Path) -> None:
    """Any other file with the model's name and digest gives one named error."""
    path = tmp_path / "model.skops"
    write(path)  # type: ignore[operator]

    with pytest.raises(ModelRefused, match=r"^model\.skops is not a model file .*; register the model again$"):
        load_model(path, _sha256(path))


def test_a_torn_file_is_refused(tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Half a model file is refused, even with its own digest."""
    path = tmp_path / "model.skops"
    save_model(fit_model(make_pipeline(), make_frame(), "linear", {"strength": 1.0}, 1), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(ModelRefused, match="is not a model file"):
        load_model(path, _sha256(path))
