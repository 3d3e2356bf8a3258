"""A column in few numbers: enough to tell later whether its values have become others, and no row of it."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  pydantic reads the fields
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include.core.names import PROBABILITY
from include.evaluation.quantile_bins import QuantileBins
from include.profiling.stability_index import stability_index

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: The file with a `Reference` that is kept with its model.
REFERENCE = "reference.json"
#: FrequentValues of a text column that are counted each by itself; the others are counted together.
MOST_FREQUENT = 20
#: Bits of a number that count.
KEPT_BITS = 26


@dataclass(frozen=True)
class FrequentValues:
    """The most frequent values of a text column, each a bin of its own; the last bin has all others."""

    known: list[str]

    @classmethod
    def of(cls, reference: pd.Series) -> FrequentValues:
        """Return the most frequent values, in an order that does not depend on that of the rows."""
        counts = reference.astype(str).value_counts()
        return cls(sorted(counts.index, key=lambda value: (-counts[value], value))[:MOST_FREQUENT])

    @property
    def number(self) -> int:
        """How many bins there are."""
        return len(self.known) + 1

    def place(self, values: pd.Series) -> np.ndarray:
        """Return the bin of each value, of shape (n_values,)."""
        position = {value: number for number, value in enumerate(self.known)}
        return values.astype(str).map(position).fillna(len(self.known)).to_numpy(dtype="int64")

    def count(self, values: pd.Series) -> np.ndarray:
        """Return how many values each bin has, of shape (number,)."""
        import numpy as np

        return np.bincount(self.place(values), minlength=self.number)


@dataclass(frozen=True)
class Sketch:
    """What is kept of a column.

    Attributes
    ----------
    counts
        Rows of each bin.
    nulls
        Rows without a value.
    median
        Of numbers; None of text, and where there is no value.
    usual_shift, usual_nulls
        The largest stability index, and the largest share of nulls, that some days of the column itself have beside
        all of it. What has its seasons is not taken for drift in each of them.
    """

    bins: QuantileBins | FrequentValues
    counts: list[int]
    nulls: int
    median: float | None
    usual_shift: float
    usual_nulls: float

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        return isinstance(self.bins, FrequentValues)

    @property
    def rows(self) -> int:
        """Rows with a value."""
        return sum(self.counts)

    @property
    def null_share(self) -> float:
        """Share of the rows without a value."""
        return self.nulls / max(1, self.rows + self.nulls)


@dataclass(frozen=True)
class ReferenceComparison:
    """A column beside its sketch.

    Attributes
    ----------
    index
        Population stability index of the values; NaN where there are none.
    rows, nulls
        Rows with a value, and without one.
    moved
        What has changed most, in words; empty where nothing has.
    """

    index: float
    rows: int
    nulls: int
    moved: str

    @property
    def null_share(self) -> float:
        """Share of the rows without a value."""
        return self.nulls / max(1, self.rows + self.nulls)


@dataclass(frozen=True)
class Reference:
    """What a model has learned from, and what it predicted of the holdout.

    Attributes
    ----------
    features
        Of the rows to learn from, by the names of the columns that the model takes.
    predictions
        Of the holdout: `prediction`, or of several classes `probability_<class>` each.
    window_days
        Days over which the sketches tell what is usual.
    classes
        The labels that a model of several classes tells apart.
    """

    features: dict[str, Sketch]
    predictions: dict[str, Sketch]
    window_days: int
    classes: list[Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Reference:
        """Make a reference of what `to_json` gave."""
        from pydantic import TypeAdapter

        return TypeAdapter(cls).validate_python(fields)


def make_reference(
    learned: pd.DataFrame,
    predicted: pd.DataFrame,
    days: tuple[np.ndarray, np.ndarray],
    *,
    window_days: int,
    min_rows: int,
    classes: list[Any] | None = None,
) -> Reference:
    """Sketch what a model has learned from, and what it predicts of the holdout.

    Parameters
    ----------
    learned
        The columns that the model takes, of the rows that it has learned from.
    predicted
        What it predicts, by the names of `Reference.predictions`.
    days
        Day number of each row of both, of shape (n_rows,).
    window_days, min_rows
        Days that are compared with all to tell what is usual, and how many rows with a value make that possible.
    """
    of_learned, of_predicted = (_windows(each, window_days) for each in days)
    return Reference(
        {str(name): sketch(learned[name], of_learned, min_rows) for name in learned},
        {str(name): sketch(predicted[name], of_predicted, min_rows) for name in predicted},
        window_days,
        classes,
    )


def prediction_columns(predicted: np.ndarray, classes: list[Any] | None) -> pd.DataFrame:
    """Return predictions as columns, by the names of `Reference.predictions`.

    Parameters
    ----------
    predicted
        Of shape (n_rows,), or (n_rows, n_classes) in the order of `classes`.
    """
    import pandas as pd

    shaped = predicted[:, None] if classes is None else predicted
    return pd.DataFrame(shaped, columns=prediction_names(classes))


def prediction_names(classes: list[Any] | None) -> list[str]:
    """Return the names of `Reference.predictions`, which are those of the lake's table too."""
    return ["prediction"] if classes is None else [f"{PROBABILITY}{each}" for each in classes]


def day_numbers(times: pd.Series) -> np.ndarray:
    """Return the number of each time's day since 1970, of shape (n_rows,)."""
    return times.to_numpy(dtype="datetime64[D]").astype("int64")


def sketch(column: pd.Series, window: np.ndarray, min_rows: int) -> Sketch:
    """Sketch one column.

    Parameters
    ----------
    window
        Number of the days that each row belongs to, 0 to n_windows - 1, or -1 for none, of shape (n_rows,).
    min_rows
        Fewer rows of a window say nothing of what is usual.
    """
    import numpy as np

    known = _known(column)
    values = _values(column, known)
    bins = _bins(values, text=is_text(column))
    counts = bins.count(values)
    n_windows = int(window.max()) + 1 if len(window) else 0
    rows = np.bincount(window[window >= 0], minlength=n_windows)
    counted = window[known] >= 0
    place = window[known] * bins.number + bins.place(values)
    by_window = np.bincount(place[counted], minlength=n_windows * bins.number).reshape(n_windows, bins.number)
    with_values = by_window.sum(axis=1)
    shifts = [stability_index(each, counts) for each in by_window[with_values >= max(1, min_rows)]]
    null_shares = 1 - with_values[rows >= max(1, min_rows)] / rows[rows >= max(1, min_rows)]
    return Sketch(
        bins=bins,
        counts=counts.tolist(),
        nulls=int((~known).sum()),
        median=float(np.median(values)) if len(values) and not is_text(column) else None,
        usual_shift=max(shifts, default=0.0),
        usual_nulls=float(max(null_shares, default=0.0)),
    )


def _bins(values: Any, *, text: bool) -> QuantileBins | FrequentValues:
    if text:
        return FrequentValues.of(values)
    return QuantileBins.of(values) if len(values) else QuantileBins([], [])


def compare_to_reference(column: pd.Series, reference: Sketch) -> ReferenceComparison:
    """Compare a column with the sketch of one of the same kind."""
    known = _known(column)
    values = _values(column, known)
    counts = reference.bins.count(values)
    return ReferenceComparison(
        index=stability_index(counts, _array(reference.counts)),
        rows=int(known.sum()),
        nulls=int((~known).sum()),
        moved=_moved(values, counts, reference),
    )


def is_text(column: pd.Series) -> bool:
    """Return whether a feature is text; all others are numbers."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return not (is_numeric_dtype(column.dtype) or is_bool_dtype(column.dtype))


def _moved(values: Any, counts: np.ndarray, reference: Sketch) -> str:
    """Say what has changed most: of numbers the median, of text the value whose share has changed most."""
    import numpy as np

    if not len(values) or not reference.rows:
        return ""
    if not isinstance(reference.bins, FrequentValues):
        return f"the median is {np.median(values):.4g} and was {reference.median:.4g}"
    share, before = counts / counts.sum(), _array(reference.counts) / reference.rows
    at = int(np.argmax(np.abs(share - before)))
    which = f"'{reference.bins.known[at]}'" if at < len(reference.bins.known) else "all rarer values together"
    return f"the share of {which} is {share[at]:.1%} and was {before[at]:.1%}"


def _known(column: pd.Series) -> np.ndarray:
    """Return which rows have a value; an infinite prediction is none."""
    import numpy as np

    if is_text(column):
        return column.notna().to_numpy()
    return np.isfinite(column.to_numpy(dtype="float64", na_value=np.nan))


def _values(column: pd.Series, known: np.ndarray) -> Any:
    """Return the values that are known; numbers to about eight digits.

    The last bits of a sum depend on threads and libraries, and a value that many rows share has a bin of its own.
    """
    import numpy as np

    if is_text(column):
        return column[known]
    fraction, exponent = np.frexp(column[known].to_numpy(dtype="float64"))
    return np.ldexp(np.round(fraction * 2.0**KEPT_BITS) / 2.0**KEPT_BITS, exponent)


def _windows(days: np.ndarray, window_days: int) -> np.ndarray:
    """Return the number of each row's window, the newest days being the first, and -1 for days that make none."""
    import numpy as np

    if not len(days):
        return days
    whole = (days.max() - days.min() + 1) // window_days
    window = (days.max() - days) // window_days
    return np.where(window < whole, window, -1)  # a part of a week has not all of its days


def _array(counts: list[int]) -> np.ndarray:
    import numpy as np

    return np.asarray(counts, dtype="int64")
