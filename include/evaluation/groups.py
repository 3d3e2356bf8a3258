"""The rows of each value of a column, for slices of the holdout and groups of people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core.errors import EvaluationFailed
from include.core.suggestions import unknown_name

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Numbers with more distinct values are grouped by quarters.
MOST_DISTINCT_NUMBERS = 10
#: Maximum number of groups of one column.
MOST_GROUPS = 50
MISSING = "missing"
OTHERS = "other values"


def rows_by_value(frame: pd.DataFrame, column: str, min_rows: int) -> dict[str, np.ndarray]:
    """Return the positions of the rows of each value of a column, by the value as text.

    Text, truth values and few distinct numbers are grouped by value. Other numbers, and times, are grouped by quarters
    of the rows: `12.5 to 40` has the values above 12.5 and up to 40, and the first quarter includes its lower end.
    Rows without a value are `missing`. Values with fewer than `min_rows` rows, and the smallest of more than 50, form
    `other values`, which is left out if it still has too few rows.

    Raises
    ------
    EvaluationFailed
        If the frame has no such column, or its values cannot be grouped.
    """
    import numpy as np

    if column not in frame.columns:
        raise EvaluationFailed(
            f"gate.slices or gate.sensitive: {unknown_name('column', column, list(frame.columns))}; select it in the "
            "features' query, or take it from the list"
        )
    codes, texts = _codes(frame[column])
    rows = np.bincount(codes, minlength=len(texts))
    enough = np.flatnonzero(rows >= min_rows)
    if len(enough) > MOST_GROUPS:
        largest = np.argsort(-rows[enough], kind="stable")[: MOST_GROUPS - 1]  # one place is kept for the others
        enough = enough[np.sort(largest)]
    # sorting all rows once is cheaper than searching for each value
    of_value = np.split(np.argsort(codes, kind="stable"), np.cumsum(rows)[:-1])
    found = {texts[code]: of_value[code] for code in enough}
    others = np.flatnonzero(~np.isin(codes, enough))
    return found | {OTHERS: others} if len(others) >= min_rows else found


def _codes(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return the code of each row's value, of shape (n_rows,), and the values as text, the last being `missing`."""
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

    missing = column.isna().to_numpy()
    if is_numeric_dtype(column.dtype) or is_datetime64_any_dtype(column.dtype):
        of_known, texts = _codes_of_numbers(column[~missing].to_numpy())
    else:
        try:
            of_known, values = pd.factorize(column[~missing])
        except TypeError as error:
            raise EvaluationFailed(
                f"gate.slices or gate.sensitive: the values of column '{column.name}' cannot be grouped ({error}); "
                "name a column of numbers, truth values or text"
            ) from error
        order = np.argsort([str(value) for value in values], kind="stable")
        of_known, texts = np.argsort(order)[of_known], [str(values[at]) for at in order]
    codes = np.full(len(column), len(texts))
    codes[~missing] = of_known
    return codes, [*texts, MISSING]


def _codes_of_numbers(known: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the code of each value or of its quarter, and their names."""
    import numpy as np

    distinct = np.unique(known)
    if len(distinct) <= MOST_DISTINCT_NUMBERS:
        return np.searchsorted(distinct, known), _texts(distinct)
    # the ends are values themselves, so their names are exact, and short where possible
    quarters = np.sort(known)[np.ceil(len(known) * np.array([0.25, 0.5, 0.75, 1])).astype("int64") - 1]
    upper = np.unique(quarters)  # a value of more than a quarter of the rows ends several
    first, *ends = _texts([distinct[0], *upper])
    lower = [first, *ends[:-1]]
    names = [high if low == high else f"{low} to {high}" for low, high in zip(lower, ends, strict=True)]
    return np.searchsorted(upper, known), names


def _texts(values: Any) -> list[str]:
    """Return numbers or times as text, shortened unless two of them would become equal."""
    import numpy as np

    short = [_text(value) for value in values]
    return short if len(set(short)) == len(np.unique(values)) else [str(value) for value in values]


def _text(value: Any) -> str:
    import numpy as np

    if isinstance(value, float | np.floating):
        return str(int(value)) if value == int(value) and abs(float(value)) < 1e15 else f"{value:.6g}"
    return str(value).removesuffix(".000000")
