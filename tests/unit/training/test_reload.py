"""A model file is loaded in a fresh process as it would be served, and any fault is returned, never raised."""

from __future__ import annotations

import hashlib
import math
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import skops.io
from sklearn.pipeline import Pipeline as Model
from sklearn.preprocessing import FunctionTransformer

from include.evaluation.agreement import TOLERANCE
from include.training import reload
from include.training.fit import fit_model, predict
from include.training.model_file import save_model
from include.training.reload import measure_reload
from include.training.reload_model import reload_model

if TYPE_CHECKING:
    import pandas as pd

    from include.config.pipeline import Pipeline
    from tests.unit.training.conftest import MakeFrame, MakePipeline


def _as_read(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame as it is read from a feature table."""
    return pa.Table.from_pandas(frame, preserve_index=False).to_pandas()


@pytest.fixture
def pipeline(make_pipeline: MakePipeline) -> Pipeline:
    """Return a multiclass pipeline, in which the order of classes matters."""
    return make_pipeline("multiclass")


@pytest.fixture
def frame(make_frame: MakeFrame) -> pd.DataFrame:
    """Return the feature table of the pipeline."""
    return _as_read(make_frame("multiclass"))


@pytest.fixture
def model(pipeline: Pipeline, frame: pd.DataFrame) -> Model:
    """Return a model of the pipeline."""
    return fit_model(pipeline, frame, "linear", {"strength": 1.0}, 1)


CLASSES = ["small", "middle", "large"]  # not their order in the alphabet, in which the model has them


def test_a_sound_file_predicts_the_same(
    tmp_path: Path,
    model: Model,
    pipeline: Pipeline,
    frame: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process with nothing but the file loads it, and agrees on nulls, text and the order of classes."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgres://user:secret@shop/db")
    environments: list[dict[str, str]] = []
    run = subprocess.run

    def recorded(*arguments: Any, **options: Any) -> Any:
        environments.append(options["env"])
        return run(*arguments, **options)

    monkeypatch.setattr(reload.subprocess, "run", recorded)
    path = tmp_path / "model.skops"
    sha256 = save_model(model, path)
    expected = predict(model, frame, pipeline.training, CLASSES)

    found = measure_reload(path, sha256, pipeline.training, frame, expected, CLASSES, max_rows=200)

    assert (found.loaded, found.error, found.rows) == (True, None, 200)
    assert found.largest_difference <= TOLERANCE
    assert found.seconds > 0
    assert set(environments[0]) <= {*reload.ENVIRONMENT, "TMPDIR"}


def test_a_changed_file_is_refused(tmp_path: Path, model: Model, pipeline: Pipeline, frame: pd.DataFrame) -> None:
    """The fresh process verifies the digest by itself."""
    path = tmp_path / "model.skops"
    sha256 = save_model(model, path)
    path.write_bytes(path.read_bytes() + b"\0")
    expected = predict(model, frame, pipeline.training, CLASSES)

    found = measure_reload(path, sha256, pipeline.training, frame, expected, CLASSES)

    assert not found.loaded
    assert str(found.error).startswith("ModelRefused: model.skops has the SHA-256 ")
    assert math.isnan(found.largest_difference)


def test_a_foreign_type_is_refused(tmp_path: Path, model: Model, pipeline: Pipeline, frame: pd.DataFrame) -> None:
    """The fresh process loads allowed types only, whatever the digest."""
    path = tmp_path / "model.skops"
    skops.io.dump(Model([("call", FunctionTransformer(eval)), ("model", model)]), path)
    expected = predict(model, frame, pipeline.training, CLASSES)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    found = measure_reload(path, sha256, pipeline.training, frame, expected, CLASSES)

    assert not found.loaded
    assert str(found.error).startswith("ModelRefused: model.skops holds types that no model of Nightshift has (")


class TestWithoutAProcess:
    """The exchange between the two processes, run in one process."""

    @pytest.fixture
    def measured(
        self, tmp_path: Path, model: Model, pipeline: Pipeline, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> Any:
        """Return a function that measures with a stand-in for the process."""
        path = tmp_path / "model.skops"
        sha256 = save_model(model, path)
        expected = predict(model, frame, pipeline.training, CLASSES)

        def measure(process: Any, expected: Any = expected, rows: pd.DataFrame = frame, **more: Any) -> Any:
            def run(command: list[str], **options: Any) -> Any:
                code = process(Path(command[-1]), options)
                return subprocess.CompletedProcess(command, code)

            monkeypatch.setattr(reload.subprocess, "run", run)
            return measure_reload(path, sha256, pipeline.training, rows, expected, CLASSES, **more)

        return measure

    def test_the_module_answers_the_request(self, measured: Any) -> None:
        """The module reads the request and writes the predictions."""
        found = measured(lambda folder, _: reload_model(folder) or 0)

        assert (found.loaded, found.error, found.rows) == (True, None, 600)
        assert found.largest_difference <= TOLERANCE

    def test_another_prediction_is_a_difference(self, measured: Any, frame: pd.DataFrame) -> None:
        """The file of another model loads, and its predictions give it away."""
        found = measured(lambda folder, _: reload_model(folder) or 0, np.full((len(frame), 3), 1 / 3))

        assert found.loaded
        assert found.largest_difference > 0.01

    def test_predictions_of_another_shape_are_an_error(self, measured: Any) -> None:
        """The error names both shapes."""
        found = measured(lambda folder, _: np.save(folder / reload.PREDICTIONS, np.ones(3)) or 0)

        assert found.error == "it predicts an array of shape (3,), expected shape (600, 3)"
        assert math.isnan(found.largest_difference)

    @pytest.mark.parametrize(
        ("code", "stderr", "told"),
        [
            (1, "a warning\nValueError: y is\t2\n\n", "ValueError: y is 2"),
            (3, "", "the process ended with status 3"),
            (-9, "a warning\n", "the process ended by signal 9"),
        ],
    )
    def test_the_error_says_how_the_process_ended(self, code: int, stderr: str, told: str, measured: Any) -> None:
        """The error is the last line of the process, or its signal or status."""

        def process(_: Path, options: dict[str, Any]) -> int:
            options["stderr"].write(stderr.encode())
            return code

        found = measured(process)

        assert (found.loaded, found.error) == (False, told)

    @pytest.mark.parametrize(
        "content", [None, b"", b"no array", b"\x80\x04N."], ids=["none", "empty", "text", "pickle"]
    )
    def test_predictions_that_cannot_be_read_are_an_error(self, content: bytes | None, measured: Any) -> None:
        """Only an array of numbers is read; a pickle is refused."""

        def process(folder: Path, _: object) -> int:
            if content is not None:
                (folder / reload.PREDICTIONS).write_bytes(content)
            return 0

        found = measured(process)

        assert not found.loaded
        assert str(found.error).startswith("the process left no predictions (")

    def test_a_process_that_exceeds_its_time_is_given_up(self, measured: Any) -> None:
        """The error names the time limit, which the process gets too."""

        def process(_: Path, options: dict[str, Any]) -> int:
            raise subprocess.TimeoutExpired("python", options["timeout"])

        found = measured(process, limit_seconds=1.5)

        assert found.error == "loading and predicting took more than 1.5 seconds"

    def test_a_process_that_cannot_start_is_an_error(self, measured: Any) -> None:
        """A machine without memory for a process gives an error and raises nothing."""

        def process(*_: object) -> int:
            raise OSError(12, "Cannot allocate memory")

        assert measured(process).error == "the process could not be started (Cannot allocate memory)"

    def test_rows_that_arrow_cannot_hold_are_an_error(self, measured: Any, frame: pd.DataFrame) -> None:
        """The error names a column of mixed values, before any process starts."""
        mixed = frame.assign(store=[1, "north"] * 300)

        found = measured(lambda *_: pytest.fail("a process was started"), rows=mixed)

        assert not found.loaded
        assert str(found.error).startswith("the feature rows cannot be written as Arrow (")
        assert "store" in str(found.error)
