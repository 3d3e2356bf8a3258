"""Summarizes the contributions of some rows by feature, for the model card."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.json_document import JsonDocument
from include.training.contributions import Unit  # noqa: TC001  pydantic reads the fields

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from include.training.contributions import Contributions

#: Maximum number of rows in a summary.
SUMMARY_ROWS = 500
#: How many features get points to plot, and how many points each.
PLOTTED_FEATURES, PLOTTED_POINTS = 10, 60


@dataclass(frozen=True)
class FeatureSummary:
    """The contributions of one feature over some rows.

    Attributes
    ----------
    mean
        Mean of the absolute contribution.
    direction
        Rank correlation of the feature's values with its contributions; None for text and for constants.
    points
        Some rows to plot: the contribution, and the rank of the value among the rows from 0 to 1, None where the value
        is missing or text. Empty for all but the first few features.
    """

    feature: str
    mean: float
    direction: float | None
    points: list[tuple[float, float | None]]


@dataclass(frozen=True)
class ContributionSummary(JsonDocument):
    """The contributions of some rows, by feature; see `Contributions` for unit, method and before_calibration.

    Attributes
    ----------
    rows
        Number of rows.
    base
        Mean base of the rows.
    features
        Sorted by mean absolute contribution, the largest first.
    """

    unit: Unit
    method: str
    before_calibration: bool
    rows: int
    base: float
    features: list[FeatureSummary]


def summarize_contributions(contributions: Contributions, rows: pd.DataFrame) -> ContributionSummary:
    """Return the average contribution of each feature over some rows.

    Parameters
    ----------
    rows
        The feature rows that were explained.
    """
    import numpy as np

    means = {name: float(np.abs(values).mean()) for name, values in contributions.values.items()}
    order = sorted(means, key=lambda name: (-means[name], name))
    plotted = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), PLOTTED_POINTS)).astype("int64"))
    features = []
    for place, name in enumerate(order):
        ranks, values = _rank_values(rows[name]), contributions.values[name]
        points: list[tuple[float, float | None]] = []
        if place < PLOTTED_FEATURES:
            points = [
                (round(float(values[row]), 6), round(float(ranks[row]), 3) if ranks[row] >= 0 else None)
                for row in plotted
            ]
        features.append(FeatureSummary(name, means[name], _rank_correlation(ranks, values), points))
    return ContributionSummary(
        unit=contributions.unit,
        method=contributions.method,
        before_calibration=contributions.before_calibration,
        rows=len(rows),
        base=float(np.mean(contributions.base)),
        features=features,
    )


def _rank_values(values: pd.Series) -> np.ndarray:
    """Return the rank of each number within its column, from 0 to 1; -1 for missing values and text."""
    import numpy as np
    from pandas.api.types import is_numeric_dtype
    from scipy.stats import rankdata

    ranks = np.full(len(values), -1.0)
    if is_numeric_dtype(values.dtype):
        numbers = values.to_numpy("float64", na_value=math.nan)
        known = np.isfinite(numbers)
        if known.sum() > 1:
            ranks[known] = (rankdata(numbers[known]) - 1) / (known.sum() - 1)
    return ranks


def _rank_correlation(ranks: np.ndarray, contributions: np.ndarray) -> float | None:
    import numpy as np
    from scipy.stats import rankdata

    known = ranks >= 0
    if known.sum() < 3 or np.ptp(ranks[known]) == 0 or np.ptp(contributions[known]) == 0:
        return None
    return float(np.corrcoef(ranks[known], rankdata(contributions[known]))[0, 1])
