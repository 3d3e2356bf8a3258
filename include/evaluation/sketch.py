"""Sketches of columns: enough to detect a changed distribution later, without keeping any row."""

from __future__ import annotations

from collections.abc import Collection, Mapping  # noqa: TC003  pydantic reads the fields
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.evaluation.quantile_bins import QuantileBins
from include.profiling.stability_index import stability_index

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: FrequentValues of a text column that are counted separately; all others are counted together.
MOST_FREQUENT = 20
#: Months of a year.
MONTHS = 12
#: Bits of a number that are kept.
KEPT_BITS = 26


@dataclass(frozen=True)
class FrequentValues:
    """Bins of a text column: one for each of the most frequent values, and the last one for all others."""

    known: list[str]

    @classmethod
    def of(cls, reference: pd.Series) -> FrequentValues:
        """Return the bins of a reference; ties do not depend on the order of the rows."""
        counts = reference.astype(str).value_counts()
        return cls(sorted(counts.index, key=lambda value: (-counts[value], value))[:MOST_FREQUENT])

    @property
    def number(self) -> int:
        """Number of bins."""
        return len(self.known) + 1

    def place(self, values: pd.Series) -> np.ndarray:
        """Return the bin of each value, of shape (n_values,)."""
        position = {value: number for number, value in enumerate(self.known)}
        return values.astype(str).map(position).fillna(len(self.known)).to_numpy(dtype="int64")

    def count(self, values: pd.Series) -> np.ndarray:
        """Return the number of values in each bin, of shape (number,)."""
        import numpy as np

        return np.bincount(self.place(values), minlength=self.number)


@dataclass(frozen=True)
class Sketch:
    """A sketch of one column.

    Attributes
    ----------
    counts
        Rows of each bin.
    nulls
        Rows without a value.
    median
        Median of numbers; None for text, or without a value.
    usual_shift, usual_nulls
        Reference variability: the largest stability index and the largest share of nulls of a window of days of the
        reference, compared with all of it. It prevents a season from being taken for drift.
    by_month
        Rows of each bin in each month of the year, 1 to 12; empty in references of an earlier release.
    seasonal_shift
        The largest stability index of a window, compared with the other rows of its months of the reference.
    """

    bins: QuantileBins | FrequentValues
    counts: list[int]
    nulls: int
    median: float | None
    usual_shift: float
    usual_nulls: float
    by_month: Mapping[int, list[int]] = field(default_factory=dict)
    seasonal_shift: float = 0.0

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

    def of_months(self, months: Collection[int], min_rows: int) -> list[int] | None:
        """Return the rows of each bin in some months of the year.

        None where the reference covers less than a year, or has fewer than `min_rows` rows in one of the months.
        """
        if len(self.by_month) < MONTHS or not months or any(sum(self.by_month[each]) < min_rows for each in months):
            return None
        return [sum(counts) for counts in zip(*(self.by_month[each] for each in sorted(months)), strict=True)]


@dataclass(frozen=True)
class ReferenceComparison:
    """A column compared with its sketch.

    Attributes
    ----------
    index
        Population stability index of the values; NaN without values.
    rows, nulls
        Rows with a value, and without one.
    moved
        The largest change, in words; empty without values, and where only some months are compared.
    """

    index: float
    rows: int
    nulls: int
    moved: str

    @property
    def null_share(self) -> float:
        """Share of the rows without a value."""
        return self.nulls / max(1, self.rows + self.nulls)


def sketch(column: pd.Series, window: np.ndarray, min_rows: int, month: np.ndarray | None = None) -> Sketch:
    """Sketch one column.

    Parameters
    ----------
    window
        Number of the window of each row, 0 to n_windows - 1, or -1 for none, of shape (n_rows,).
    min_rows
        Windows with fewer rows do not count for the reference variability.
    month
        Month of the year of each row, 1 to 12, of shape (n_rows,); None leaves the months out.
    """
    import numpy as np

    known = _known(column)
    values = _values(column, known)
    bins = _bins(values, text=is_text(column))
    counts = bins.count(values)
    n_windows = int(window.max()) + 1 if len(window) else 0
    rows = np.bincount(window[window >= 0], minlength=n_windows)
    counted, places = window[known] >= 0, bins.place(values)
    by_window = _count(window[known][counted], places[counted], (n_windows, bins.number))
    with_values = by_window.sum(axis=1)
    judged = with_values >= max(1, min_rows)
    indexes = [stability_index(each, counts) for each in by_window[judged]]
    by_month: dict[int, list[int]] = {}
    seasonal: list[float] = []
    if month is not None:
        of_months = _count(month[known], places, (MONTHS + 1, bins.number))
        by_month = {each: of_months[each].tolist() for each in np.unique(month).tolist()}
        months = _count(window[known][counted], month[known][counted], (n_windows, MONTHS + 1)) > 0
        others = months @ of_months - by_window  # a window resembles a month that it is part of
        comparable = judged & (others.sum(axis=1) >= max(1, min_rows))
        seasonal = [stability_index(*each) for each in zip(by_window[comparable], others[comparable], strict=True)]
    null_shares = 1 - with_values[rows >= max(1, min_rows)] / rows[rows >= max(1, min_rows)]
    return Sketch(
        bins=bins,
        counts=counts.tolist(),
        nulls=int((~known).sum()),
        median=float(np.median(values)) if len(values) and not is_text(column) else None,
        usual_shift=max(indexes, default=0.0),
        usual_nulls=float(max(null_shares, default=0.0)),
        by_month=by_month,
        seasonal_shift=max(seasonal, default=0.0),
    )


def _count(first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return how often each pair of two numbers occurs, of a given shape."""
    import numpy as np

    return np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1]).reshape(shape)


def _bins(values: Any, *, text: bool) -> QuantileBins | FrequentValues:
    if text:
        return FrequentValues.of(values)
    return QuantileBins.of(values) if len(values) else QuantileBins([], [])


def compare_to_reference(column: pd.Series, reference: Sketch, season: list[int] | None = None) -> ReferenceComparison:
    """Compare a column with the sketch of one of the same kind.

    Parameters
    ----------
    season
        The result of `Sketch.of_months`, to compare with these months only; None compares with all of the reference.
    """
    known = _known(column)
    values = _values(column, known)
    counts = reference.bins.count(values)
    return ReferenceComparison(
        index=stability_index(counts, _array(reference.counts if season is None else season)),
        rows=int(known.sum()),
        nulls=int((~known).sum()),
        moved=_describe_change(values, counts, reference) if season is None else "",
    )


def is_text(column: pd.Series) -> bool:
    """Return whether a feature is text; all others are numbers."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return not (is_numeric_dtype(column.dtype) or is_bool_dtype(column.dtype))


def _describe_change(values: Any, counts: np.ndarray, reference: Sketch) -> str:
    """Describe the largest change: the median of numbers, or the value of text whose share changed most."""
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
    """Return which rows have a value; an infinite prediction is not a value."""
    import numpy as np

    if is_text(column):
        return column.notna().to_numpy()
    return np.isfinite(column.to_numpy(dtype="float64", na_value=np.nan))


def _values(column: pd.Series, known: np.ndarray) -> Any:
    """Return the known values; numbers are rounded to about eight digits.

    The last bits of a sum depend on threads and libraries, but a value that many rows share must stay in its bin.
    """
    import numpy as np

    if is_text(column):
        return column[known]
    fraction, exponent = np.frexp(column[known].to_numpy(dtype="float64"))
    return np.ldexp(np.round(fraction * 2.0**KEPT_BITS) / 2.0**KEPT_BITS, exponent)


def _array(counts: list[int]) -> np.ndarray:
    import numpy as np

    return np.asarray(counts, dtype="int64")
