"""Feature frames perturbed by missing values, unseen categories or noise, with the types of production."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

#: Share of the cells that become null.
MISSING_SHARE = 0.05
#: Noise, as a share of a column's standard deviation.
NOISE_SHARE = 0.01
#: A category that no column has.
UNSEEN = "never seen before"


def with_missing(frame: pd.DataFrame, features: Sequence[str], draw: np.random.Generator) -> pd.DataFrame:
    """Return a frame in which one in twenty cells of the features is null."""
    nulls = draw.random((len(features), len(frame))) < MISSING_SHARE
    return frame.assign(**{name: with_nulls(frame[name], null) for name, null in zip(features, nulls, strict=True)})


def with_nulls(column: pd.Series, null: np.ndarray) -> pd.Series:
    """Return a column with some cells null, of the type that such a column has when pandas reads it from Arrow."""
    from pandas.api.types import is_bool_dtype, is_extension_array_dtype, is_integer_dtype, is_object_dtype

    kind = column.dtype
    if not is_extension_array_dtype(kind):
        if is_bool_dtype(kind) or is_object_dtype(kind):
            return column.astype(object).where(~null, None)
        if is_integer_dtype(kind):
            column = column.astype("float64")
    return column.mask(null)


def holds_text(column: pd.Series) -> bool:
    """Return whether a column holds text; an object column may hold nullable truth values instead."""
    from pandas.api.types import infer_dtype

    return infer_dtype(column, skipna=True) in ("string", "empty")


def with_unseen(frame: pd.DataFrame, texts: Sequence[str]) -> pd.DataFrame:
    """Return a frame in which some columns only hold a category that no model has seen."""
    import pandas as pd

    return frame.assign(**{name: pd.Series(UNSEEN, index=frame.index, dtype=frame[name].dtype) for name in texts})


def with_noise(frame: pd.DataFrame, numeric: Sequence[str], draw: np.random.Generator) -> pd.DataFrame:
    """Return a frame with noise added to its numbers; truth values stay unchanged."""
    from pandas.api.types import is_bool_dtype

    measured = [name for name in numeric if not is_bool_dtype(frame[name].dtype)]
    return frame.assign(**{name: _noisy(frame[name], draw) for name in measured})


def _noisy(column: pd.Series, draw: np.random.Generator) -> pd.Series:
    """Return a column of numbers with noise added.

    Whole numbers stay whole. 0 stays 0: often it means that there is no measurement, and trees split between it and
    the smallest value.
    """
    import numpy as np
    import pandas as pd

    values = column.to_numpy(dtype="float64", na_value=np.nan)
    known = values[np.isfinite(values)]
    if not len(known):
        return column
    noisy = values + draw.normal(size=len(values)) * NOISE_SHARE * known.std()
    if (known == np.rint(known)).all():
        noisy = np.clip(np.rint(noisy), known.min(), known.max())  # a small type holds no larger number
    return pd.Series(np.where(values == 0, values, noisy), index=column.index).astype(column.dtype)
