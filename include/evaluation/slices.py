"""How the challenger does beside the champion on parts of the holdout: on each carrier, each quarter of a distance."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from include.evaluation.groups import rows_by_value
from include.evaluation.intervals import widen_for_few_blocks
from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields
from include.evaluation.paired_bootstrap import PairedDifference, paired_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from include.evaluation.metrics import Metric

log = logging.getLogger(__name__)

#: Slices that are compared, at most: each more widens the intervals of all.
MOST_SLICES = 50
#: Draws beyond either end of an interval, so that the end does not hang on one or two of them.
DRAWS_BEYOND = 5
#: Rounds that are drawn for that at most.
MOST_ROUNDS = 4000


@dataclass(frozen=True)
class SliceResult:
    """Both models on the held-out rows of one value of a column.

    Attributes
    ----------
    value
        As text: `UA`; `12.5 to 40`, a quarter of a number; `missing`; or `other values`.
    challenger, champion
        The metric; NaN where it is not defined on these rows, or there is no champion.
    difference
        By how much the challenger is better; None without a champion. Its interval is NaN where the slice
        cannot be judged.
    """

    column: str
    value: str
    rows: int
    challenger: Number
    champion: Number
    difference: PairedDifference | None


def measure_slices(
    measure: Metric,
    frame: pd.DataFrame,
    columns: Sequence[str],
    y_true: np.ndarray,
    days: np.ndarray,
    challenger: np.ndarray,
    champion: np.ndarray | None,
    *,
    min_rows: int,
    rounds: int,
    confidence: float,
    seed: int,
    champion_threshold: float | None = None,
) -> list[SliceResult]:
    """Compare challenger and champion on each slice of the holdout, by the paired bootstrap over days.

    Of many slices some look worse by chance only. So each interval has the confidence 1 - (1 - confidence) /
    (number of slices), with which all of them together are right as often as `confidence` says, however the
    slices overlap (Bonferroni's inequality: Dunn, Multiple comparisons among means, Journal of the American
    Statistical Association 56, 1961). The ends of such an interval are rare draws, so it has more than `rounds`
    of them where the metric can be had of many draws at little cost.

    A slice cannot be judged where the metric is not defined on it, as on rows of one class, or where all of
    its rows are of one day. It is listed all the same. Of more than 50 slices those of the most rows
    are compared.

    Parameters
    ----------
    frame
        The held-out rows, with `columns` among its columns.
    y_true, challenger, champion
        Labels and predictions of these rows, as `Metric.value` takes them; no champion is None.
    days
        The day of each row, of shape (n_rows,).
    min_rows
        Fewer rows are no slice of their own: see `rows_by_value`.
    champion_threshold
        Probability from which the champion counts a row as positive; by default that of the measure.
    """
    import numpy as np

    slices = [
        (column, value, rows)
        for column in dict.fromkeys(columns)
        for value, rows in rows_by_value(frame, column, min_rows).items()
    ]
    slices = _largest(slices)
    if not slices:
        return []
    _, day = np.unique(days, return_inverse=True)  # whole numbers, which each slice sorts faster than text
    each_confidence = 1 - (1 - confidence) / len(slices)
    drawn: dict[str, Any] = {
        "rounds": _rounds(measure, rounds, each_confidence),
        "confidence": each_confidence,
        "seed": seed,
    }
    other = measure if champion_threshold is None else replace(measure, threshold=champion_threshold)
    found = []
    for column, value, rows in slices:
        y, ours = y_true[rows], challenger[rows]
        theirs = None if champion is None else champion[rows]
        difference = None
        if theirs is not None:
            difference = _widen(
                paired_difference(measure, y, day[rows], ours, theirs, **drawn, second_threshold=other.threshold)
            )
        of_champion = math.nan if theirs is None else other.value(y, theirs)
        found.append(SliceResult(column, value, len(rows), measure.value(y, ours), of_champion, difference))
    return found


def _widen(found: PairedDifference) -> PairedDifference:
    low, high = widen_for_few_blocks(found.value, (found.low, found.high), found.blocks, found.confidence)
    return replace(found, low=low, high=high)


def _rounds(measure: Metric, rounds: int, confidence: float) -> int:
    return max(rounds, min(MOST_ROUNDS, round(2 * DRAWS_BEYOND / (1 - confidence))))


def _largest(slices: list[tuple[str, str, np.ndarray]]) -> list[tuple[str, str, np.ndarray]]:
    """Return the slices of the most rows, in their order, and log of which columns some were left out."""
    if len(slices) <= MOST_SLICES:
        return slices
    by_rows = sorted(range(len(slices)), key=lambda at: -len(slices[at][2]))
    left = [slices[at][0] for at in by_rows[MOST_SLICES:]]
    told = ", ".join(f"{column} ({left.count(column)})" for column in dict.fromkeys(left))
    log.warning(
        "gate.slices makes %d slices, and the %d of the most rows are compared; left out of columns: %s",
        *(len(slices), MOST_SLICES, told),
    )
    return [slices[at] for at in sorted(by_rows[:MOST_SLICES])]
