"""Robustness: what becomes of a model's predictions on rows as production brings them, and not as the holdout has."""

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

#: Rows of a class that a sample should have, so that the metric on it means something.
ROWS_OF_A_CLASS = 50
#: Rows on which columns are wholly null, and how often that is tried; of more columns several are null together.
FEW_ROWS, MOST_TRIES = 20, 10
#: Rows that are predicted one at a time.
SINGLE_ROWS = 5
#: Longest text of an error that is kept.
LONGEST_ERROR = 300


@dataclass(frozen=True)
class PerturbationResult:
    """What one way of disturbing the rows did to the predictions.

    Attributes
    ----------
    error
        What was wrong where predicting raised, or gave NaN, infinity, the wrong number of rows, or something else
        than of the same rows before.
    metric
        On the disturbed rows; NaN where there are no predictions of them, and of rows one at a time.
    share_lost
        Share of the gain over the baseline that is lost; NaN where there is no gain, or no metric.
    """

    name: Name
    error: str | None
    metric: Number
    share_lost: Number


def measure_robustness(
    predict: Predict,
    frame: pd.DataFrame,
    y_true: np.ndarray,
    measure: Metric,
    metric: float,
    baseline_metric: float,
    features: Sequence[str],
    numeric: Sequence[str],
    categorical: Sequence[str],
    seed: int,
    max_rows: int = 4000,
) -> list[PerturbationResult]:
    """Return what a model does on held-out rows that were disturbed in the ways that production knows.

    What is lost is the difference of the metric on the same rows with and without the disturbance, beside the gain
    on the whole holdout.

    Parameters
    ----------
    predict
        Called with frames of the columns and types of `frame`, as the features query would give them.
    y_true
        Labels of shape (n_rows,), as the measure takes them.
    metric, baseline_metric
        Of the model and of the baseline, on the whole holdout.
    features
        Columns that the model takes: the `numeric` and the `categorical` ones.
    max_rows
        Of more rows a sample is taken; of more than this where a class is rare.

    Returns
    -------
    list of PerturbationResult
        None for what there is no column to disturb of, and none at all where there are no rows.
    """
    import numpy as np

    draw = np.random.default_rng(seed)
    rows = _sample(measure, y_true, max_rows, draw)
    frame, y_true = frame.iloc[rows], y_true[rows]
    if not len(frame):
        return []
    expected, error = _answer(predict, frame)
    if expected is None:
        return [PerturbationResult("shuffled rows", f"even in the order of the holdout: {error}", math.nan, math.nan)]
    undisturbed, gain = measure.value(y_true, expected), measure.sign * (metric - baseline_metric)

    def judged(name: Name, found: np.ndarray | None, error: str | None) -> PerturbationResult:
        value = math.nan if found is None else measure.value(y_true, found)
        share_lost = measure.sign * (undisturbed - value) / gain if gain > 0 else math.nan
        return PerturbationResult(name, error, value, share_lost)

    missing, error = _answer(predict, with_missing(frame, features, draw))
    found = [judged("missing values", missing, error or _of_null_columns(predict, frame.iloc[:FEW_ROWS], features))]
    texts = [name for name in categorical if holds_text(frame[name])]
    if texts:
        found.append(judged("unseen categories", *_answer(predict, with_unseen(frame, texts))))
    found.append(judged("shuffled rows", *_of_shuffled(predict, frame, expected, draw)))
    if numeric:
        found.append(judged("numeric noise", *_answer(predict, with_noise(frame, numeric, draw))))
    found.append(judged("one row at a time", None, _of_single_rows(predict, frame, expected)))
    return found


def _sample(measure: Metric, y_true: np.ndarray, max_rows: int, draw: np.random.Generator) -> np.ndarray:
    """Return the positions of the rows to disturb, in their order."""
    import numpy as np

    count = len(y_true)
    if measure.task in ("binary", "multiclass") and count:
        rarest = np.unique(y_true, return_counts=True)[1].min()
        max_rows = max(max_rows, math.ceil(ROWS_OF_A_CLASS / rarest * count))
    return np.arange(count) if count <= max_rows else np.sort(draw.choice(count, max_rows, replace=False))


def _answer(predict: Predict, frame: pd.DataFrame) -> tuple[np.ndarray | None, str | None]:
    """Return the predictions, or what is wrong with them."""
    import numpy as np

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an encoder tells of each category that it does not know
            found = np.asarray(predict(frame), dtype="float64")
    except Exception as error:  # noqa: BLE001  a model raises whatever it likes, and that is what is measured
        return None, f"{type(error).__name__}: {' '.join(str(error).split())}"[:LONGEST_ERROR]
    if found.ndim == 0 or len(found) != len(frame):
        told = "one value" if found.ndim == 0 else f"{len(found):,} rows"
        return None, f"it predicts {told} for {len(frame):,} rows"
    bad = int((~np.isfinite(found)).reshape(len(found), -1).any(axis=1).sum())
    return (None, f"it predicts NaN or infinity for {bad:,} of {len(frame):,} rows") if bad else (found, None)


def _of_null_columns(predict: Predict, frame: pd.DataFrame, features: Sequence[str]) -> str | None:
    """Return what goes wrong when a column is wholly null, as on the day on which its source is not delivered."""
    import numpy as np

    everywhere = np.ones(len(frame), dtype=bool)
    for group in np.array_split(np.asarray(features, dtype=object), min(len(features), MOST_TRIES) or 1):
        _, error = _answer(predict, frame.assign(**{name: with_nulls(frame[name], everywhere) for name in group}))
        if error:
            narrower = _of_null_columns(predict, frame, list(group)) if len(group) > 1 else None
            return narrower or f"with no value at all in {', '.join(group)}: {error}"[:LONGEST_ERROR]
    return None


def _of_shuffled(
    predict: Predict, frame: pd.DataFrame, expected: np.ndarray, draw: np.random.Generator
) -> tuple[np.ndarray | None, str | None]:
    """Return the predictions of the rows in another order, put back into theirs, and what is wrong with them."""
    import numpy as np

    order = draw.permutation(len(frame))
    found, error = _answer(predict, frame.iloc[order])
    if found is None:
        return None, error
    found = found[np.argsort(order)]
    difference = largest_difference(expected, found)
    if difference <= TOLERANCE:
        return found, None
    return found, f"predictions differ by up to {difference:.1g} of their size from those in the order of the holdout"


def _of_single_rows(predict: Predict, frame: pd.DataFrame, expected: np.ndarray) -> str | None:
    """Return how predictions of single rows differ from those of the same rows among others."""
    import numpy as np

    for row in np.unique(np.linspace(0, len(frame) - 1, SINGLE_ROWS).astype("int64")):
        found, error = _answer(predict, frame.iloc[[row]])
        if found is None:
            return error
        difference = largest_difference(expected[[row]], found)
        if not difference <= TOLERANCE:
            return (
                f"predictions differ by up to {difference:.1g} of their size from those of the same rows among others"
            )
    return None
