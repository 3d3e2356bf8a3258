"""Challenger and champion compared on slices of the holdout, such as each carrier or each quarter of a distance."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

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

#: Maximum number of slices; each further slice widens the intervals of all.
MOST_SLICES = 50
#: Resamples beyond either end of an interval, so that the end does not depend on one or two of them.
RESAMPLES_BEYOND = 5
#: Maximum number of rounds for this.
MOST_ROUNDS = 4000


@dataclass(frozen=True)
class SliceResult:
    """Both models on the held-out rows of one value of a column.

    Attributes
    ----------
    value
        As text: `UA`; `12.5 to 40` for a quarter of a number; `missing`; or `other values`.
    challenger, champion
        The metric; NaN where it is not defined on these rows, or without a champion.
    difference
        By how much the challenger is better; None without a champion. The interval is NaN where the slice cannot be
        judged.
    """

    column: str
    value: str
    rows: int
    challenger: Number
    champion: Number
    difference: PairedDifference | None


def measure_slices(
    metric: Metric,
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

    Among many slices some look worse only by chance. So each interval has the confidence 1 - (1 - confidence) /
    (number of slices): together they hold as often as `confidence` says, however the slices overlap (Bonferroni's
    inequality: Dunn, Multiple comparisons among means, Journal of the American Statistical Association 56, 1961). The
    ends of such an interval are rare resamples, so it is computed from more than `rounds` of them.

    A slice cannot be judged where the metric is not defined on it, as on rows of one class, or where all its rows
    are of one day. It is listed anyway. From more than 50 slices the largest 50 are compared.

    Parameters
    ----------
    frame
        The held-out rows, with `columns` among its columns.
    y_true, challenger, champion
        Labels and predictions of these rows, as `Metric.value` takes them; None without a champion.
    days
        The day of each row, of shape (n_rows,).
    min_rows
        A value with fewer rows is not a slice of its own: see `rows_by_value`.
    champion_threshold
        Probability from which the champion counts a row as positive; by default the threshold of `metric`.
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
    _, day = np.unique(days, return_inverse=True)  # each slice sorts whole numbers faster than text
    each_confidence = 1 - (1 - confidence) / len(slices)
    other = metric if champion_threshold is None else replace(metric, threshold=champion_threshold)
    found = []
    for column, value, rows in slices:
        y, ours = y_true[rows], challenger[rows]
        theirs = None if champion is None else champion[rows]
        difference = None
        if theirs is not None:
            difference = _widen(
                paired_difference(
                    metric,
                    y,
                    day[rows],
                    ours,
                    theirs,
                    rounds=_enough_rounds(rounds, each_confidence),
                    confidence=each_confidence,
                    seed=seed,
                    second_threshold=other.threshold,
                )
            )
        champion_metric = math.nan if theirs is None else other.value(y, theirs)
        found.append(SliceResult(column, value, len(rows), metric.value(y, ours), champion_metric, difference))
    return found


def _widen(found: PairedDifference) -> PairedDifference:
    low, high = widen_for_few_blocks(found.value, (found.low, found.high), found.blocks, found.confidence)
    return replace(found, low=low, high=high)


def _enough_rounds(rounds: int, confidence: float) -> int:
    return max(rounds, min(MOST_ROUNDS, round(2 * RESAMPLES_BEYOND / (1 - confidence))))


def _largest(slices: list[tuple[str, str, np.ndarray]]) -> list[tuple[str, str, np.ndarray]]:
    """Return the largest slices, in their order, and log which columns lose slices."""
    if len(slices) <= MOST_SLICES:
        return slices
    by_rows = sorted(range(len(slices)), key=lambda at: -len(slices[at][2]))
    left = [slices[at][0] for at in by_rows[MOST_SLICES:]]
    left_out = ", ".join(f"{column} ({left.count(column)})" for column in dict.fromkeys(left))
    log.warning(
        "only the %d largest of %d slices are compared (gate.slices); slices left out by column: %s",
        MOST_SLICES,
        len(slices),
        left_out,
    )
    return [slices[at] for at in sorted(by_rows[:MOST_SLICES])]
