"""How many of the labels that are to be expected in the holdout are known: of all its rows, and of each slice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

#: Slices that are kept, those that miss most.
KEPT_SLICES = 3
#: What is missing by chance with less than this probability is missing for a reason.
CHANCE = 0.01


@dataclass(frozen=True)
class Coverage:
    """Rows of the holdout's days, and how many of them have a label.

    Attributes
    ----------
    name
        What the rows have in common, such as `store = north`; empty for all.
    rows, labelled
        How many there are, and how many have a label.
    usual
        Share of the rows that have a label on the days before the holdout.
    by_chance
        Probability that so few have one by chance.
    """

    name: str
    rows: int
    labelled: int
    usual: float
    by_chance: float = 1.0

    @property
    def missing(self) -> float:
        """Share of the labels to expect that is missing; 0 where there are as many as usual."""
        expected = self.usual * self.rows
        return max(0.0, 1 - self.labelled / expected) if expected else 0.0


@dataclass(frozen=True)
class LabelCoverage:
    """What the holdout knows of its labels.

    Attributes
    ----------
    all
        Of all rows.
    slices
        Of the slices that miss most.
    left_out
        ISO days that the holdout leaves out, since they lack their labels.
    left_out_rows
        Rows of these days.
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
    """Return how many labels of the holdout are known, beside the days before it.

    Parameters
    ----------
    frame
        The feature table, labelled rows and others.
    labelled, held, before
        Whether a row has a label, is asked on a day of the holdout, or on a day before it; of shape (n_rows,).
    slices
        Columns, of whose values labels may be missing.
    min_rows
        Fewer rows are no slice of their own.
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
