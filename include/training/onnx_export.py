"""A model as an ONNX file, by which other languages can serve it; only where it predicts the same.

ONNX computes in single precision: a number that lies on a tree's split to the seventh digit may fall to the other
side, so what is exported is held against the model on rows that it has not seen.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from io import StringIO
from typing import TYPE_CHECKING, Any

from include.training.candidates import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.training import Training
    from include.training.columns import FeatureColumns

log = logging.getLogger(__name__)

#: Predictions that differ by less, in parts of their size or of 1, are the same in single precision.
TOLERANCE = 1e-4
#: Versions of the operators, which onnxruntime has known for long.
OPSETS = {"": 18, "ai.onnx.ml": 3}
#: How a missing text is given, since ONNX has no null.
MISSING = ""


@dataclass(frozen=True)
class OnnxExport:
    """What came of an export.

    Attributes
    ----------
    content
        The file; None where there is none.
    reason
        Why there is none; empty where there is one.
    largest_difference
        Of the predictions of the rows that were compared; NaN where none were.
    """

    content: bytes | None
    reason: str
    largest_difference: float
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Return what is told of it, without the file."""
        return {name: value for name, value in asdict(self).items() if name != "content"}


def export_onnx(
    model: Model, columns: FeatureColumns, training: Training, frame: pd.DataFrame, expected: np.ndarray
) -> OnnxExport:
    """Convert a model and compare its predictions with the model's own.

    Each feature is an input of its name, of shape (n_rows, 1): numbers as float, texts as string with the empty text
    for a missing one. The last output has the probabilities, or the values.

    Parameters
    ----------
    columns
        What the model takes.
    frame, expected
        Rows and the model's own predictions of them, as `predict` returns them.
    """
    import numpy as np

    nan = float("nan")
    try:
        with _quietly():
            content = _convert(model, columns, classifies=training.classifies)
            found = run_onnx(content, columns, frame)
    except ImportError as error:
        return OnnxExport(None, f"{error.name or error} is not installed; run `make extras`", nan, 0)
    except Exception as error:  # noqa: BLE001  converters raise whatever they like where they do not know a model
        reason = " ".join(str(error).split())[:300]
        return OnnxExport(None, f"the model cannot be converted ({type(error).__name__}: {reason})", nan, 0)
    found = found[:, 1] if training.task == "binary" else found
    difference = _difference(np.asarray(expected, dtype="float64"), found)
    if not difference <= TOLERANCE:
        reason = f"its predictions differ by up to {difference:.2g}, and {TOLERANCE:g} are allowed"
        return OnnxExport(None, reason, difference, len(frame))
    return OnnxExport(content, "", difference, len(frame))


def run_onnx(content: bytes, columns: FeatureColumns, frame: pd.DataFrame) -> np.ndarray:
    """Return what an exported model predicts of feature rows.

    Returns
    -------
    predictions
        Probabilities of shape (n_rows, n_classes), or values of shape (n_rows,).
    """
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given: dict[str, Any] = {name: frame[[name]].to_numpy("float32", na_value=np.nan) for name in columns.numeric} | {
        name: frame[[name]].astype(object).fillna(MISSING).to_numpy(object) for name in columns.categorical
    }
    wanted = {each.name for each in session.get_inputs()}
    found = session.run(None, {name: values for name, values in given.items() if name in wanted})[-1]
    return found.reshape(-1) if found.ndim == 2 and found.shape[1] == 1 else found


def _convert(model: Model, columns: FeatureColumns, *, classifies: bool) -> bytes:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    for family in FAMILIES.values():
        if family.register_onnx and (family.package is None or find_spec(family.package)):
            family.register_onnx()
    kinds: list[Any] = [(name, FloatTensorType([None, 1])) for name in columns.numeric]
    kinds += [(name, StringTensorType([None, 1])) for name in columns.categorical]
    options = {"zipmap": False} if classifies else None
    last = model.steps[-1][1]
    converted = convert_sklearn(
        model, initial_types=kinds, options={id(last): options} if options else None, target_opset=OPSETS
    )
    return converted.SerializeToString()


def _difference(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the largest difference, in parts of the size of what is expected where that is above 1."""
    import numpy as np

    if expected.shape != found.shape or not np.isfinite(found).all():
        return float("nan")
    return float(np.max(np.abs(expected - found) / np.maximum(1, np.abs(expected)), initial=0.0))


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep what converters print and warn of out of the task's log."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        yield
