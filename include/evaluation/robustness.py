"""How a model predicts rows with faults that production has and the holdout lacks."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from include.evaluation.agreement import TOLERANCE, largest_difference
from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields
from include.evaluation.perturbed_rows import holds_text, with_missing, with_noise, with_nulls, with_unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd

    from include.evaluation.metrics import Metric

    Predict = Callable[[pd.DataFrame], np.ndarray]

Name = Literal["missing values", "unseen categories", "shuffled rows", "numeric noise", "one row at a time"]

#: Minimum number of rows of each class in a sample, so that its metric is meaningful.
ROWS_OF_A_CLASS = 50
#: Rows with columns that are entirely null, and the number of tries; with more columns, several are null together.
FEW_ROWS, MOST_TRIES = 20, 10
#: Rows that are predicted one at a time.
SINGLE_ROWS = 5
#: Maximum length of an error that is kept.
LONGEST_ERROR = 300


@dataclass(frozen=True)
class PerturbationResult:
    """The effect of one perturbation of the rows on the predictions.

    Attributes
    ----------
    error
        What went wrong if predicting raised, or returned NaN, infinity, the wrong number of rows, or other predictions
        than before for the same rows.
    metric
        Metric on the perturbed rows; NaN without predictions, and for rows one at a time.
    share_lost
        Share of the gain over the baseline that is lost; NaN without a gain, or without a metric.
    """

    name: Name
    error: str | None
    metric: Number
    share_lost: Number


def measure_robustness(
    predict: Predict,
    frame: pd.DataFrame,
    y_true: np.ndarray,
    metric: Metric,
    value: float,
    baseline_value: float,
    features: Sequence[str],
    numeric: Sequence[str],
    categorical: Sequence[str],
    seed: int,
    max_rows: int = 4000,
) -> list[PerturbationResult]:
    """Return how a model predicts held-out rows that are perturbed as production perturbs them.

    The loss is the difference of the metric on the same rows with and without the perturbation, as a share of the gain
    on the whole holdout.

    Parameters
    ----------
    predict
        Called with frames that have the columns of `frame`, with the types that the feature query would return.
    y_true
        Labels of shape (n_rows,), as `Metric.value` takes them.
    value, baseline_value
        Metric of the model and of the baseline on the whole holdout.
    features
        Columns that the model takes: `numeric` and `categorical` together.
    max_rows
        From more rows a sample is drawn; a larger one where a class is rare.

    Returns
    -------
    list of PerturbationResult
        One for each kind that has a column to perturb; empty without rows.
    """
    import numpy as np

    draw = np.random.default_rng(seed)
    rows = _sample(metric, y_true, max_rows, draw)
    frame, y_true = frame.iloc[rows], y_true[rows]
    if not len(frame):
        return []
    expected, error = _try_predict(predict, frame)
    if expected is None:
        return [PerturbationResult("shuffled rows", f"even in the order of the holdout: {error}", math.nan, math.nan)]
    unperturbed, gain = metric.value(y_true, expected), metric.sign * (value - baseline_value)

    def result(name: Name, found: np.ndarray | None, error: str | None) -> PerturbationResult:
        perturbed = math.nan if found is None else metric.value(y_true, found)
        share_lost = metric.sign * (unperturbed - perturbed) / gain if gain > 0 else math.nan
        return PerturbationResult(name, error, perturbed, share_lost)

    missing, error = _try_predict(predict, with_missing(frame, features, draw))
    error = error or _find_null_column_error(predict, frame.iloc[:FEW_ROWS], features)
    found = [result("missing values", missing, error)]
    texts = [name for name in categorical if holds_text(frame[name])]
    if texts:
        found.append(result("unseen categories", *_try_predict(predict, with_unseen(frame, texts))))
    found.append(result("shuffled rows", *_predict_shuffled(predict, frame, expected, draw)))
    if numeric:
        found.append(result("numeric noise", *_try_predict(predict, with_noise(frame, numeric, draw))))
    found.append(result("one row at a time", None, _find_single_row_error(predict, frame, expected)))
    return found


def _sample(metric: Metric, y_true: np.ndarray, max_rows: int, draw: np.random.Generator) -> np.ndarray:
    """Return the positions of the rows to perturb, in their order."""
    import numpy as np

    count = len(y_true)
    if metric.task in ("binary", "multiclass") and count:
        rarest = np.unique(y_true, return_counts=True)[1].min()
        max_rows = max(max_rows, math.ceil(ROWS_OF_A_CLASS / rarest * count))
    return np.arange(count) if count <= max_rows else np.sort(draw.choice(count, max_rows, replace=False))


def _try_predict(predict: Predict, frame: pd.DataFrame) -> tuple[np.ndarray | None, str | None]:
    """Return the predictions and no error, or no predictions and the error."""
    import numpy as np

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an encoder warns of each unknown category
            found = np.asarray(predict(frame), dtype="float64")
    except Exception as error:  # noqa: BLE001  a model may raise anything, which is what is measured here
        return None, f"{type(error).__name__}: {' '.join(str(error).split())}"[:LONGEST_ERROR]
    if found.ndim == 0 or len(found) != len(frame):
        size = "one value" if found.ndim == 0 else f"{len(found):,} rows"
        return None, f"it predicts {size} for {len(frame):,} rows"
    bad = int((~np.isfinite(found)).reshape(len(found), -1).any(axis=1).sum())
    return (None, f"it predicts NaN or infinity for {bad:,} of {len(frame):,} rows") if bad else (found, None)


def _find_null_column_error(predict: Predict, frame: pd.DataFrame, features: Sequence[str]) -> str | None:
    """Return the error when a column is entirely null, as on a day without its source; None without an error."""
    import numpy as np

    everywhere = np.ones(len(frame), dtype=bool)
    for group in np.array_split(np.asarray(features, dtype=object), min(len(features), MOST_TRIES) or 1):
        _, error = _try_predict(predict, frame.assign(**{name: with_nulls(frame[name], everywhere) for name in group}))
        if error:
            narrower = _find_null_column_error(predict, frame, list(group)) if len(group) > 1 else None
            return narrower or f"with no value at all in {', '.join(group)}: {error}"[:LONGEST_ERROR]
    return None


def _predict_shuffled(
    predict: Predict, frame: pd.DataFrame, expected: np.ndarray, draw: np.random.Generator
) -> tuple[np.ndarray | None, str | None]:
    """Return the predictions of shuffled rows in the original order, and the error if they differ from `expected`."""
    import numpy as np

    order = draw.permutation(len(frame))
    found, error = _try_predict(predict, frame.iloc[order])
    if found is None:
        return None, error
    found = found[np.argsort(order)]
    difference = largest_difference(expected, found)
    if difference <= TOLERANCE:
        return found, None
    return found, f"predictions differ by up to {difference:.1g} of their size from those in the order of the holdout"


def _find_single_row_error(predict: Predict, frame: pd.DataFrame, expected: np.ndarray) -> str | None:
    """Return the error if single rows are predicted otherwise than among other rows; None if they are not."""
    import numpy as np

    for row in np.unique(np.linspace(0, len(frame) - 1, SINGLE_ROWS).astype("int64")):
        found, error = _try_predict(predict, frame.iloc[[row]])
        if found is None:
            return error
        difference = largest_difference(expected[[row]], found)
        if not difference <= TOLERANCE:
            return (
                f"predictions differ by up to {difference:.1g} of their size from those of the same rows among others"
            )
    return None
