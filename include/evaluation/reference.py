"""The reference of a model: sketches of its training rows and of its predictions, kept for monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.core.json_document import JsonDocument
from include.core.names import PROBABILITY
from include.evaluation.sketch import Sketch, sketch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Name of the file of a `Reference`, which is kept with its model.
REFERENCE = "reference.json"


@dataclass(frozen=True)
class Reference(JsonDocument):
    """Sketches of a model's training rows and of its predictions of the holdout.

    Attributes
    ----------
    features
        Sketches of the training rows, by the names of the columns that the model takes.
    predictions
        Sketches of the predictions of the holdout: `prediction`, or for several classes `probability_<class>` each.
    window_days
        Days of a window, by which the sketches measure the reference variability.
    classes
        The labels of a model of several classes.
    """

    features: dict[str, Sketch]
    predictions: dict[str, Sketch]
    window_days: int
    classes: list[Any] | None = None


def make_reference(
    learned: pd.DataFrame,
    predicted: pd.DataFrame,
    days: tuple[np.ndarray, np.ndarray],
    *,
    window_days: int,
    min_rows: int,
    classes: list[Any] | None = None,
) -> Reference:
    """Sketch the training rows of a model and its predictions of the holdout.

    Parameters
    ----------
    learned
        The columns that the model takes, for the training rows.
    predicted
        The predictions, by the names of `Reference.predictions`.
    days
        Day number of each row, of shape (n_rows,), first of `learned`, then of `predicted`.
    window_days, min_rows
        Days of a window for the reference variability, and the minimum number of rows with a value in a window.
    """
    learned_windows, predicted_windows = (_windows(each, window_days) for each in days)
    months = months_of_year(days[0])
    return Reference(
        {str(name): sketch(learned[name], learned_windows, min_rows, months) for name in learned},
        {str(name): sketch(predicted[name], predicted_windows, min_rows) for name in predicted},
        window_days,
        classes,
    )


def prediction_columns(predicted: np.ndarray, classes: list[Any] | None) -> pd.DataFrame:
    """Return predictions as columns, by the names of `Reference.predictions`.

    Parameters
    ----------
    predicted
        Predictions of shape (n_rows,), or (n_rows, n_classes) in the order of `classes`.
    """
    import pandas as pd

    shaped = predicted[:, None] if classes is None else predicted
    return pd.DataFrame(shaped, columns=prediction_names(classes))


def prediction_names(classes: list[Any] | None) -> list[str]:
    """Return the names of `Reference.predictions`, which are also the columns of the predictions table."""
    return ["prediction"] if classes is None else [f"{PROBABILITY}{each}" for each in classes]


def day_numbers(times: pd.Series) -> np.ndarray:
    """Return the number of each time's day since 1970, of shape (n_rows,)."""
    return times.to_numpy(dtype="datetime64[D]").astype("int64")


def months_of_year(days: np.ndarray) -> np.ndarray:
    """Return the month of the year, 1 to 12, of each day number, of shape (n_rows,)."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype("int64") % 12 + 1


def _windows(days: np.ndarray, window_days: int) -> np.ndarray:
    """Return the window number of each row, from the newest days on; -1 for days that do not fill a window."""
    import numpy as np

    if not len(days):
        return days
    whole = (days.max() - days.min() + 1) // window_days
    window = (days.max() - days) // window_days
    return np.where(window < whole, window, -1)  # part of a week lacks some of its weekdays
