"""How many of the expected labels of the holdout are known, for all rows and for each slice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

#: Slices that are kept: those with the largest share of missing labels.
KEPT_SLICES = 3
#: Labels that are missing by chance with less than this probability are missing for a reason.
CHANCE = 0.01


@dataclass(frozen=True)
class Coverage:
    """Rows of the holdout's days, and how many of them have a label.

    Attributes
    ----------
    name
        What the rows have in common, such as `store = north`; empty for all rows.
    rows, labelled
        Number of rows, and of rows with a label.
    usual
        Share of the rows with a label on the days before the holdout.
    by_chance
        Probability that so few or fewer have a label by chance.
    """

    name: str
    rows: int
    labelled: int
    usual: float
    by_chance: float = 1.0

    @property
    def missing(self) -> float:
        """Share of the expected labels that are missing; 0 where there are as many as usual."""
        expected = self.usual * self.rows
        return max(0.0, 1 - self.labelled / expected) if expected else 0.0


@dataclass(frozen=True)
class LabelCoverage:
    """How many of the holdout's labels are known.

    Attributes
    ----------
    all
        Coverage of all rows.
    slices
        Coverage of the slices with the largest share of missing labels.
    left_out
        ISO days that the holdout leaves out because their labels are missing.
    left_out_rows
        Number of rows of these days.
    """

    all: Coverage
    slices: list[Coverage] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    left_out_rows: int = 0


def measure_label_coverage(
    frame: pd.DataFrame,
    labelled: np.ndarray,
    held: np.ndarray,
    before: np.ndarray,
    slices: Sequence[str],
    min_rows: int,
) -> LabelCoverage:
    """Return how many labels of the holdout are known, compared with the days before it.

    Parameters
    ----------
    frame
        The feature table, with and without labels.
    labelled, held, before
        Whether a row has a label, is on a day of the holdout, is on a day before it; each of shape (n_rows,).
    slices
        Columns whose values may differ in their missing labels.
    min_rows
        Minimum number of rows of a slice.
    """
    import numpy as np

    from include.evaluation.groups import rows_by_value

    found = []
    both = np.flatnonzero(held | before)
    for column in slices:
        for value, at in rows_by_value(frame.iloc[both], column, min_rows).items():
            of_value = np.zeros(len(frame), dtype=bool)
            of_value[both[at]] = True
            there, earlier = held & of_value, before & of_value
            if there.sum() >= min_rows and earlier.sum() >= min_rows:
                found.append(_coverage(f"{column} = {value}", labelled[there], labelled[earlier]))
    found.sort(key=lambda each: -each.missing)
    return LabelCoverage(_coverage("", labelled[held], labelled[before]), found[:KEPT_SLICES])


def _coverage(name: str, labelled: np.ndarray, before: np.ndarray) -> Coverage:
    from scipy.stats import binom

    usual = float(before.mean()) if len(before) else 1.0
    rows, known = len(labelled), int(labelled.sum())
    return Coverage(name, rows, known, usual, float(binom.cdf(known, rows, usual)))
