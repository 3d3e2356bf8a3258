"""Exports a model as an ONNX file, which other languages can serve, if both predict the same.

ONNX computes in single precision: a number within a tree's split to the seventh digit may fall on the other side. The
export is therefore compared with the model on holdout rows.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
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

#: Predictions that differ by less, relative to their size or to 1, are the same in single precision.
TOLERANCE = 1e-4
#: Versions of the operator sets, old enough for every onnxruntime in use.
OPSETS = {"": 18, "ai.onnx.ml": 3}
#: Stands for a missing text, since ONNX has no null.
MISSING = ""


@dataclass(frozen=True)
class OnnxExport:
    """The result of an export.

    Attributes
    ----------
    content
        The content of the file; None if the export failed.
    reason
        Why the export failed; empty if it did not.
    largest_difference
        Largest difference of a prediction on the compared rows; NaN if none were compared.
    """

    content: bytes | None
    reason: str
    largest_difference: float
    rows: int


def export_onnx(
    model: Model, columns: FeatureColumns, training: Training, frame: pd.DataFrame, expected: np.ndarray
) -> OnnxExport:
    """Convert a model and compare the predictions of the ONNX file with the model's own.

    Each feature is an input of the same name, of shape (n_rows, 1): numbers as float, text as string, with the empty
    string for a missing one. The last output holds the probabilities, or the values.

    Parameters
    ----------
    columns
        The columns that the model takes.
    frame, expected
        Rows, and the model's own predictions as `predict` returns them.
    """
    import numpy as np

    nan = float("nan")
    try:
        with _quietly():
            content = _convert(model, columns, classifies=training.classifies)
            found = run_onnx(content, columns, frame)
    except ImportError as error:
        return OnnxExport(None, f"{error.name or error} is not installed; run `make extras`", nan, 0)
    except Exception as error:  # noqa: BLE001  converters may raise anything for a model they do not know
        reason = " ".join(str(error).split())[:300]
        return OnnxExport(None, f"the model cannot be converted ({type(error).__name__}: {reason})", nan, 0)
    found = found[:, 1] if training.task == "binary" else found
    difference = _largest_difference(np.asarray(expected, dtype="float64"), found)
    if not difference <= TOLERANCE:
        reason = f"its predictions differ by up to {difference:.2g}, and the limit is {TOLERANCE:g}"
        return OnnxExport(None, reason, difference, len(frame))
    return OnnxExport(content, "", difference, len(frame))


def run_onnx(content: bytes, columns: FeatureColumns, frame: pd.DataFrame) -> np.ndarray:
    """Return the predictions of an exported model for feature rows.

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
    given = {name: frame[[name]].to_numpy("float32", na_value=np.nan) for name in columns.numeric}
    given |= {name: frame[[name]].astype(object).fillna(MISSING).to_numpy(object) for name in columns.categorical}
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


def _largest_difference(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the largest difference, relative to the expected value where that is above 1."""
    import numpy as np

    if expected.shape != found.shape or not np.isfinite(found).all():
        return float("nan")
    return float(np.max(np.abs(expected - found) / np.maximum(1, np.abs(expected)), initial=0.0))


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the output and the warnings of converters out of the task's log."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        yield
