"""A model file is data: it is loaded whole and unchanged, or not at all."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skops.io
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline as Model
from sklearn.preprocessing import FunctionTransformer

from include.errors import ModelRefused
from include.training.candidates import CANDIDATES
from include.training.fit import fit_model, predict
from include.training.model_file import load_model, save_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.training.conftest import MakeFrame, MakePipeline


class Sneaky(DummyClassifier):
    """A class that no model of Nightshift has, and that leaves a trace where it is made or set."""

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


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("family", list(CANDIDATES))
def test_a_saved_model_predicts_the_same(
    family: str, task: str, tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Every family comes back as it was written, to the last bit of its predictions."""
    frame = make_frame(task)
    model = fit_model(make_pipeline(task), frame, family, CANDIDATES[family].defaults, 1)
    path = tmp_path / "model.skops"

    sha256 = save_model(model, path)
    loaded = load_model(path, sha256)

    assert sha256 == _sha256(path)
    assert np.array_equal(predict(loaded, frame, task), predict(model, frame, task))


@pytest.mark.parametrize("family", list(CANDIDATES))
@pytest.mark.parametrize("dropped", [["store"], ["signal", "noise", "holiday"]], ids=["numbers only", "text only"])
def test_a_model_of_one_kind_of_column_is_not_refused(
    dropped: list[str], family: str, tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """What a model's encoder leaves out brings no type that is not allowed."""
    frame = make_frame().drop(columns=dropped)
    model = fit_model(make_pipeline(), frame, family, CANDIDATES[family].defaults, 1)
    path = tmp_path / "model.skops"

    loaded = load_model(path, save_model(model, path))

    assert np.array_equal(predict(loaded, frame, "regression"), predict(model, frame, "regression"))


@pytest.mark.parametrize("at", [0, 0.5, 1], ids=["first byte", "a byte in the middle", "last byte"])
def test_a_changed_byte_is_refused(
    at: float, tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A file that differs anywhere from the one that was written is not loaded, and both digests are shown."""
    path = tmp_path / "model.skops"
    sha256 = save_model(fit_model(make_pipeline(), make_frame(), "linear", {"strength": 1.0}, 1), path)
    content = bytearray(path.read_bytes())
    content[round(at * (len(content) - 1))] ^= 1
    path.write_bytes(content)

    with pytest.raises(ModelRefused, match=rf"^model\.skops has the SHA-256 {_sha256(path)[:12]}.* {sha256[:12]}…"):
        load_model(path, sha256)


@pytest.mark.parametrize("function", [os.system, eval, open], ids=lambda function: function.__name__)
def test_a_function_in_the_file_is_refused_and_not_called(function: object, tmp_path: Path) -> None:
    """A transformer over a function of the system is named and never made, even with the right digest."""
    path = tmp_path / "model.skops"
    steps = [("encode", FunctionTransformer(function)), ("model", DummyClassifier())]
    skops.io.dump(Model(steps), path)

    with pytest.raises(ModelRefused, match=rf"types that no model of Nightshift has \(.*{function.__name__}"):
        load_model(path, _sha256(path))


def test_a_foreign_class_is_refused_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that no model of ours consists of is named, and its code has not run."""
    path = tmp_path / "model.skops"
    skops.io.dump(Sneaky().fit([[0], [1]], [0, 1]), path)
    monkeypatch.delenv("SNEAKY_WAS_MADE", raising=False)

    with pytest.raises(ModelRefused, match=r"types that no model .*Sneaky\), so it was not loaded$"):
        load_model(path, _sha256(path))

    assert "SNEAKY_WAS_MADE" not in os.environ


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    """A pickle under the model's name is no model file, and what it would call is not called."""
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
    """Whatever else bears the name and the digest, the answer is one named error."""
    path = tmp_path / "model.skops"
    write(path)  # type: ignore[operator]

    with pytest.raises(ModelRefused, match=r"^model\.skops is not a model file .*; register the model again$"):
        load_model(path, _sha256(path))


def test_a_torn_file_is_refused(tmp_path: Path, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Half a model file is refused, even by its own digest."""
    path = tmp_path / "model.skops"
    save_model(fit_model(make_pipeline(), make_frame(), "linear", {"strength": 1.0}, 1), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(ModelRefused, match="is not a model file"):
        load_model(path, _sha256(path))
