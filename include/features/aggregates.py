"""Aggregates trailing windows, each from its own rows alone and in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.features.windows import MICROSECONDS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from include.features.windows import Windows

#: How many rows of windows are laid side by side at a time, so that they fit into the processor's cache.
_CHUNK_ROWS = 200_000
#: The fewest rows of a window for a function that needs more than one.
_NEEDED_ROWS = {"std": 2, "trend": 2}


def aggregate(function: str, windows: Windows, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return one function of each window's values, of shape (n_windows,); NaN if a window has too few.

    `count` is the number of rows, which may be 0. `std` is the sample standard deviation (with n - 1). `trend` is the
    slope per day of a least-squares line through the values. `last` is the value that became known last; of several
    at the same time, the one with the greatest key.

    Parameters
    ----------
    values
        The known values, none of them NaN, in the order of the windows' positions; of shape (n_kept,).
    at
        When each became known, in microseconds, of shape (n_kept,).
    """
    import numpy as np

    if function == "count":
        return windows.rows.astype("float64")
    enough = windows.rows >= _NEEDED_ROWS.get(function, 1)
    first, end = windows.first[enough], windows.end[enough]
    result = np.full(len(enough), np.nan)
    if not len(first):
        return result
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if function == "last":
            found = values[end - 1]
        elif function == "trend":
            found = _trend(first, end, values, at)
        elif function == "std":
            squares = np.empty(len(first))
            mean = _reduce(np.add, values, first, end) / (end - first)
            for part, positions, starts, rows in _spread(first, end):
                squares[part] = np.add.reduceat((values[positions] - np.repeat(mean[part], rows)) ** 2, starts)
            found = np.sqrt(squares / (end - first - 1))
        elif function == "mean":
            found = _reduce(np.add, values, first, end) / (end - first)
        else:
            found = _reduce({"sum": np.add, "min": np.minimum, "max": np.maximum}[function], values, first, end)
    result[enough] = found
    return result


def _reduce(function: np.ufunc, values: np.ndarray, first: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Reduce each range of positions; the order in which a sum adds depends only on its length."""
    import numpy as np

    bounds = np.empty(2 * len(first), dtype="int64")
    bounds[0::2], bounds[1::2] = first, end
    # reduceat also reduces what lies between two windows, which is dropped; an end may be one past the last value
    return function.reduceat(np.append(values, 0.0), bounds)[0::2]


def _trend(first: np.ndarray, end: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    import numpy as np

    slope = np.empty(len(first))
    for part, positions, starts, rows in _spread(first, end):
        days = (at[positions] - np.repeat(at[end[part] - 1], rows)) / MICROSECONDS_PER_DAY
        days -= np.repeat(np.add.reduceat(days, starts) / rows, rows)
        rise = values[positions]
        rise -= np.repeat(np.add.reduceat(rise, starts) / rows, rows)
        slope[part] = np.add.reduceat(days * rise, starts) / np.add.reduceat(days * days, starts)
    return slope


def _spread(first: np.ndarray, end: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield groups of windows with their rows side by side: the positions, the start of each, and its row count."""
    import numpy as np

    total = np.cumsum(end - first)
    begin = 0
    while begin < len(first):
        before = total[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(total, before + _CHUNK_ROWS, side="right")))
        part = slice(begin, stop)
        rows = end[part] - first[part]
        starts = np.cumsum(rows) - rows
        yield part, np.arange(rows.sum()) + np.repeat(first[part] - starts, rows), starts, rows
        begin = stop
